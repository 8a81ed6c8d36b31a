# serve.mk - the real clients of model servers, npm packages that are fetched once and pinned; included by tests.mk.

CLIENTS := build/clients

$(CLIENTS)/npm.stamp: tests/serve/clients/package.json tests/serve/clients/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(@D)/
	cd $(@D) && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

# The examples of packaging/server, before two replicas. No part of `check`: Debian's packages of nginx and HAProxy start
# servers of their own where they are installed, which nobody asks for who wants to try this program.
PROXIES_TEST = "needs=/usr/sbin/nginx needs=/usr/sbin/haproxy tests/serve/proxies.sh $(BUILD)"
.PHONY: check-proxies
check-proxies: $(BITNET) plugins
	@V=1 tests/run.sh $(PROXIES_TEST)

CLIENTS_TEST = "needs=$(CLIENTS)/npm.stamp tests/serve/clients.sh $(BUILD) $(CLIENTS)"
.PHONY: check-clients
check-clients: $(BITNET) plugins $(CLIENTS)/npm.stamp
	@V=1 tests/run.sh $(CLIENTS_TEST)
