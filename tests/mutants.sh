#!/bin/sh
# mutants.sh BUILD - 300 sound models with faults in their structure: both backends refuse one, or compute the same
# (tests/tools/bitnet-mutants.c). `make check-long` has 20,000.
exec "${1:?the build folder}/bitnet-mutants" 300
