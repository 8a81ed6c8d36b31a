# dist.mk - what is handed out besides packages; included by the Makefile. All of it is made from the commit that is
# checked out, in folders of its own, and has the same bytes wherever and whenever it is made by the same compiler.
#
#   make dist            build/dist/bitnet-VERSION.tar.gz: the sources, with the name of their commit
#   make dist-binary     build/dist/bitnet-VERSION-linux-ARCH.tar.gz: program, library and plugins, with the libraries
#                        that they need but libc; runs where glibc is no older than here

DIST := build/dist/bitnet-$(VERSION)

.PHONY: dist dist-binary
dist:
	@packaging/dist.sh sources '$(DIST)' '$(VERSION)'
dist-binary: dist
	@CC='$(CC)' packaging/dist.sh binary '$(DIST)' '$(VERSION)'
