# Go, make, git and a POSIX shell are all that a machine needs. Everything else is pinned in a go.mod and built into bin/.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := $(CURDIR)/bin
CONTROLLER_GEN := $(BIN)/controller-gen
KUSTOMIZE := $(BIN)/kustomize
GOTESTSUM := $(BIN)/gotestsum
GOLANGCI_LINT := $(BIN)/golangci-lint
PROGRESS := $(CURDIR)/hack/tools/progress.sh

# Where kube-apiserver, etcd, kubectl and kube-controller-manager are. A KUBEBUILDER_ASSETS of yours is used as it is.
ASSETS := $(or $(KUBEBUILDER_ASSETS),$(BIN)/k8s)

# Stamping the commit fails where git distrusts the folder's owner, as in many containers, and nothing here reads it.
export GOFLAGS := $(strip $(shell go env GOFLAGS) -buildvcs=false)

# The image that the manifests name; IMG puts another one into them.
IMAGE := ghcr.io/zoom-operator/zoom-operator
VERSION = $(shell sed -n 's/^ *newTag: //p' config/default/kustomization.yaml)
IMG ?= $(IMAGE):$(VERSION)

# The race detector needs a C compiler; Go turns cgo off where there is none.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# How tests run: each package for 40 minutes at most, with all results in bin/test.json.
GO_TEST = KUBEBUILDER_ASSETS="$(ASSETS)" $(PROGRESS) "go test" $(GOTESTSUM) --format standard-quiet --jsonfile bin/test.json -- $(RACE) -vet=off -timeout 40m

# How long make fuzz spends on each target.
FUZZTIME ?= 30s

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make <target>" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Develop

.PHONY: build
build: ## Build the operator into bin/operator.
	@$(PROGRESS) "compiling bin/operator" go build -o bin/operator .

# run and smoke start a binary, not go run, which does not pass on the signals that are sent to it.
.PHONY: run
run: build kubernetes ## Run everything on this machine: a cluster's control plane, a Zoom to play with and the operator.
	@$(PROGRESS) "compiling bin/local" go build -o bin/local ./hack/local
	@KUBEBUILDER_ASSETS="$(ASSETS)" exec bin/local

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Write deepcopy functions, apply configurations, CRDs, the RBAC role and docs/conditions.md from the Go source.
	$(CONTROLLER_GEN) object applyconfiguration crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=manager paths=./... output:rbac:dir=config/rbac
	go run ./hack/docs

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the Go source.
	$(GOLANGCI_LINT) fmt

##@ Check

.PHONY: test
test: build kubernetes $(GOTESTSUM) ## Run the tests, against a real API server; the first time this builds one (6 to 12 minutes).
	@echo "==> go vet"
	@$(PROGRESS) "go vet" go vet ./...
	@echo "==> go test $(RACE)"
	@$(GO_TEST) $$(go list ./... | grep -v /test/e2e)
	@if [ -n "$(CI)" ]; then hack/verify-no-skips.sh; fi
	@echo "==> end to end"
	@$(GO_TEST) ./test/e2e
	@if [ -n "$(CI)" ]; then hack/verify-no-skips.sh; fi

.PHONY: test-browser
test-browser: kubernetes $(GOTESTSUM) ## Go through the consent pages in Chromium, which has to be installed; pictures are in bin/browser.
	@mkdir -p "$(BIN)/browser"
	@$(GO_TEST) -artifacts -outputdir "$(BIN)/browser" ./test/e2e/browser
	@if [ -n "$(CI)" ]; then hack/verify-no-skips.sh; fi

.PHONY: smoke
smoke: build kubernetes ## Start everything on this machine, check through kubectl that meetings pass through all states, and stop.
	@$(PROGRESS) "compiling bin/local" go build -o bin/local ./hack/local
	@KUBEBUILDER_ASSETS="$(ASSETS)" exec bin/local --smoke

.PHONY: bench
bench: build kubernetes ## Measure throughput, latency, writes per event and overload, and check the ratios that are promised (3 to 5 minutes; BENCH=--quick for less).
	@$(PROGRESS) "compiling bin/bench" go build -o bin/bench ./hack/bench
	@KUBEBUILDER_ASSETS="$(ASSETS)" exec bin/bench $(BENCH)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s).
	@grep -r --include='*_test.go' --exclude-dir=bin '^func Fuzz' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort | \
	while read -r package target; do \
		echo "==> $$package $$target"; \
		go test -run='^$$' -fuzz="^$$target$$" -fuzztime=$(FUZZTIME) "$$package" || exit 1; \
	done

.PHONY: lint
lint: $(GOLANGCI_LINT) $(KUSTOMIZE) ## Check style, imports, API conventions and manifests.
	@echo "==> golangci-lint"
	@$(PROGRESS) "golangci-lint" $(GOLANGCI_LINT) run ./...
	@hack/verify-shell.sh
	@hack/verify-config.sh

.PHONY: verify
verify: $(CONTROLLER_GEN) ## Check that generated files and go.mod are up to date.
	@hack/verify-generated.sh
	@hack/verify-tidy.sh

##@ Deploy

.PHONY: docker-build
docker-build: ## Build the container image IMG with docker.
	docker build --tag $(IMG) .

# The manifests, with the image IMG and the address EXTERNAL_URL in them.
MANIFESTS = $(KUSTOMIZE) build config/default | sed -e 's|image: $(IMAGE):.*|image: $(IMG)|' \
	-e 's|--external-url=$$|--external-url=$(EXTERNAL_URL)|'

# Your own kubectl; where there is none, one is built.
KUBECTL := $(or $(shell command -v kubectl),$(ASSETS)/kubectl)
NEEDS_KUBECTL = $(if $(filter $(ASSETS)/kubectl,$(KUBECTL)),kubernetes)

.PHONY: docker-push
docker-push: ## Push the container image IMG.
	docker push $(IMG)

.PHONY: build-installer
build-installer: $(KUSTOMIZE) ## Write dist/install.yaml: CRDs, RBAC and the operator in one file.
	@mkdir -p dist
	@$(MANIFESTS) >dist/install.yaml
	@echo "dist/install.yaml is written"

.PHONY: deploy
deploy: external-url $(NEEDS_KUBECTL) build-installer ## Deploy the operator. EXTERNAL_URL=https://... is the address that Zoom reaches it at.
	"$(KUBECTL)" apply --server-side -f dist/install.yaml

.PHONY: external-url
external-url:
	@if [ -z "$(EXTERNAL_URL)" ]; then echo "EXTERNAL_URL is not set: make deploy EXTERNAL_URL=https://zoom.your.org (the address that Zoom and browsers reach)" >&2; exit 1; fi

# The operator has to be there still: an installation goes when its token is revoked, or could not be for five minutes. The
# apps go next, so that no late event brings an installation back, and then those that one brought back in between.
.PHONY: undeploy
undeploy: $(NEEDS_KUBECTL) build-installer ## Delete every Zoom resource (which removes the app at Zoom), then the operator and the CRDs.
	@if "$(KUBECTL)" get customresourcedefinition zoominstallations.zoom-operator.io >/dev/null; then \
		"$(KUBECTL)" delete zoominstallations --all --all-namespaces --timeout=10m && \
		"$(KUBECTL)" delete zoomapps --all --all-namespaces --timeout=1m && \
		"$(KUBECTL)" delete zoominstallations --all --all-namespaces --timeout=1m; fi
	"$(KUBECTL)" delete --ignore-not-found -f dist/install.yaml

##@ Tools

.PHONY: kubernetes
kubernetes: ## Build the control plane for tests into bin/k8s, once; KUBEBUILDER_ASSETS names one that exists.
	@hack/kubernetes/build.sh

.PHONY: clean
clean: ## Delete what make built (Go's build cache keeps the next time short).
	rm -rf bin dist .local

# build-tool,<name>,<module folder>,<package>
define build-tool
	@echo "==> building $(1)"
	@cd $(2) && CGO_ENABLED=0 $(PROGRESS) "compiling $(1)" go build -trimpath -o $(BIN)/$(1) $(3)
endef

$(CONTROLLER_GEN): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,controller-gen,hack/tools,sigs.k8s.io/controller-tools/cmd/controller-gen)

$(KUSTOMIZE): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,kustomize,hack/tools,sigs.k8s.io/kustomize/kustomize/v5)

$(GOTESTSUM): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,gotestsum,hack/tools,gotest.tools/gotestsum)

# golangci-lint with kube-api-linter in it. It has a module of its own because it pulls in every linter there is.
$(GOLANGCI_LINT): hack/tools/lint/go.mod hack/tools/lint/go.sum
	$(call build-tool,golangci-lint,hack/tools/lint,sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter)
