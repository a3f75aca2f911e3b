# Go, make, git and a POSIX shell are all that a machine needs. Everything else is pinned in a go.mod and built into bin/.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := $(CURDIR)/bin
CONTROLLER_GEN := $(BIN)/controller-gen
KUSTOMIZE := $(BIN)/kustomize
GOTESTSUM := $(BIN)/gotestsum
GOLANGCI_LINT := $(BIN)/golangci-lint
DEADCODE := $(BIN)/deadcode
EXPORTED := $(BIN)/exported
FILES := $(BIN)/files
SETUP_ENVTEST := $(BIN)/setup-envtest
OCI := $(BIN)/oci
CHART := $(BIN)/chart
HELM := $(BIN)/helm
CYCLONEDX := $(BIN)/cyclonedx-gomod
ACTIONLINT := $(BIN)/actionlint
PROGRESS := $(CURDIR)/hack/tools/progress.sh

# Where kube-apiserver, etcd and kubectl are. A KUBEBUILDER_ASSETS of yours is used as it is.
ASSETS := $(or $(KUBEBUILDER_ASSETS),$(BIN)/k8s)

# Stamping the commit fails where git distrusts the folder's owner, as in many containers, and nothing here reads it.
export GOFLAGS := $(strip $(shell go env GOFLAGS) -buildvcs=false)

# The image that the manifests name; IMG puts another one into them.
IMAGE := ghcr.io/zoom-operator/zoom-operator
VERSION = $(shell sed -n 's/^ *newTag: //p' config/default/kustomization.yaml)
IMG ?= $(IMAGE):$(VERSION)

# PREBUILT=no has the control plane built from source, in the versions that hack/kubernetes/go.mod pins.
PREBUILT ?=

# The race detector needs a C compiler; Go turns cgo off where there is none.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# How tests run: each package for 40 minutes at most, with all results in bin/test.json.
GO_TEST = KUBEBUILDER_ASSETS="$(ASSETS)" $(PROGRESS) "go test" $(GOTESTSUM) --format standard-quiet --jsonfile bin/test.json -- $(RACE) -vet=off -timeout 40m

# The modules that make test and make lint go through one by one: for ./... each ends where another one begins.
MODULES := . api docs/examples/live test/prometheus

# How long make fuzz spends on each target.
FUZZTIME ?= 30s

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## "; print "Usage: make <target>" } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Develop

.PHONY: build
build: ## Build the operator into bin/operator.
	@$(PROGRESS) "compiling bin/operator" go build -ldflags="-X main.release=$(VERSION)" -o bin/operator .

# run and smoke start a binary, not go run, which does not pass on the signals that are sent to it.
# CLUSTER=current is the cluster of the kubeconfig's current context, in place of a control plane on this machine.
CLUSTER ?=

.PHONY: run
run: build $(if $(CLUSTER),,kubernetes) ## Run everything on this machine: a cluster's control plane, a Zoom to play with and the operator; CLUSTER=current takes the cluster of kubectl.
	@$(PROGRESS) "compiling bin/local" go build -o bin/local ./hack/local
	@KUBEBUILDER_ASSETS="$(ASSETS)" exec bin/local $(if $(CLUSTER),--cluster="$(CLUSTER)")

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Write deepcopy functions, CRDs, RBAC roles, what the chart has of them, docs and the dashboard from the Go source.
	$(CONTROLLER_GEN) object crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=receiver paths=./webhookserver/... output:rbac:dir=config/rbac/receiver
	$(CONTROLLER_GEN) rbac:roleName=controller paths=./controllers/... output:rbac:dir=config/rbac/controller
	go run ./hack/docs
	hack/copy-to-chart.sh

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the Go source.
	$(GOLANGCI_LINT) fmt

##@ Check

.PHONY: test
test: build kubernetes $(GOTESTSUM) $(KUSTOMIZE) $(CHART) $(HELM) ## Run the tests, against a real API server; the first time this builds one (5 to 10 minutes).
	@echo "==> go vet"
	@for module in $(MODULES); do (cd "$$module" && $(PROGRESS) "go vet in $$module" go vet ./...) || exit 1; done
	@echo "==> go test $(RACE)"
	@$(GO_TEST) -p 3 $$(go list ./... | grep -v /test/e2e)
	@if [ -n "$(CI)" ]; then hack/verify-no-skips.sh; fi
	@echo "==> end to end, with alerts and dashboard$(if $(CI), and in the browser)"
	@KUBEBUILDER_ASSETS="$(ASSETS)" $(PROGRESS) "end to end" hack/test-e2e.sh $(RACE)
	@if [ -n "$(CI)" ]; then hack/verify-no-skips.sh; fi

.PHONY: test-browser
test-browser: kubernetes $(GOTESTSUM) ## Go through the consent pages in Chromium, which has to be installed; pictures are in bin/browser.
	@KUBEBUILDER_ASSETS="$(ASSETS)" $(PROGRESS) "go test" hack/test-browser.sh $(RACE)
	@if [ -n "$(CI)" ]; then hack/verify-no-skips.sh; fi

.PHONY: smoke
smoke: build kubernetes ## Start everything on this machine, check through kubectl that meetings pass through all states, and stop.
	@$(PROGRESS) "compiling bin/local" go build -o bin/local ./hack/local
	@KUBEBUILDER_ASSETS="$(ASSETS)" exec bin/local --smoke

# Flags of the bench, and a commit whose operator takes turns with this one.
BENCH ?=
AGAINST ?=

.PHONY: bench
bench: build kubernetes ## Measure rates, CPU time by process, writes and memory, and check the ratios that are promised (10 minutes; BENCH=--quick for less, AGAINST=commit to compare).
	@$(PROGRESS) "compiling bin/bench" go build -o bin/bench ./hack/bench
	@if [ -n "$(AGAINST)" ]; then $(PROGRESS) "compiling $(AGAINST)" hack/build-commit.sh "$(AGAINST)" bin/operator-before; fi
	@KUBEBUILDER_ASSETS="$(ASSETS)" exec bin/bench $(if $(AGAINST),--against=bin/operator-before) $(BENCH)

# How many processes make chaos kills, and what it draws its choices from; without a SEED it is
# another one each time, and printed.
KILLS ?= 200
SEED ?= 0

.PHONY: chaos
chaos: build kubernetes ## Kill and stop every process at random under load, KILLS (200) times, and check that nothing is lost (10 to 20 minutes; SEED=... repeats a run).
	@mkdir -p bin
	@go test -c -o bin/e2e.test $(RACE) ./test/e2e
	@cd test/e2e && KUBEBUILDER_ASSETS="$(ASSETS)" $(PROGRESS) "chaos" ../../bin/e2e.test -test.v -test.run '^TestChaos$$' -test.timeout 60m \
		-chaos.kills=$(KILLS) -chaos.seed=$(SEED)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s).
	@grep -r --include='*_test.go' --exclude-dir=bin '^func Fuzz' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort | \
	while read -r package target; do \
		echo "==> $$package $$target"; \
		go test -run='^$$' -fuzz="^$$target$$" -fuzztime=$(FUZZTIME) "$$package" || exit 1; \
	done

.PHONY: lint
lint: $(GOLANGCI_LINT) $(KUSTOMIZE) $(ACTIONLINT) ## Check style, imports, API conventions, manifests and workflows.
	@echo "==> golangci-lint"
	@for module in $(MODULES); do (cd "$$module" && $(PROGRESS) "golangci-lint in $$module" $(GOLANGCI_LINT) run -c "$(CURDIR)/.golangci.yml" ./...) || exit 1; done
	@hack/verify-words.sh
	@hack/verify-shell.sh
	@hack/verify-config.sh
	@echo "==> workflows"
	@$(ACTIONLINT) -shellcheck= -pyflakes=

.PHONY: verify
verify: $(CONTROLLER_GEN) $(DEADCODE) $(EXPORTED) $(FILES) ## Check that generated files and go.mod are up to date, that nothing is unused and that the image can be built.
	@hack/verify-generated.sh
	@hack/verify-used.sh
	@hack/verify-tidy.sh
	@hack/verify-image.sh

##@ Deploy

# What the image is built for, and the commit and time that it says it is from. Two builds of one commit give one digest.
PLATFORMS ?= linux/amd64,linux/arm64
GIT = git -c safe.directory="$(CURDIR)"
REVISION ?= $(shell $(GIT) rev-parse HEAD 2>/dev/null)
SOURCE_DATE_EPOCH ?= $(shell $(GIT) log -1 --format=%ct 2>/dev/null || echo 0)

# What the folder api is to others: the build knows it as ./api, which an SBOM has no use for.
API := github.com/zoom-operator/zoom-operator/api

.PHONY: image
image: $(OCI) $(CYCLONEDX) ## Build the container image of every platform into dist/image, an OCI layout, and its SBOM into dist/sbom.json. No container engine is needed.
	@rm -rf "$(DIST)/files"
	@$(PROGRESS) "compiling what the image holds" env VERSION="$(VERSION)" go run ./hack/image --platforms "$(PLATFORMS)" --out "$(DIST)/files"
	@$(OCI) build --files "$(DIST)/files" --out "$(DIST)/image" --version "$(VERSION)" --revision "$(REVISION)" --created "$(SOURCE_DATE_EPOCH)"
	@set -- "$(DIST)"/files/*/zoom-operator && $(CYCLONEDX) bin -json -noserial -notimestamp -version "$(VERSION)" -output "$(DIST)/sbom.tmp" "$$1"
	@sed -e 's|"\./api"|"$(API)"|; s|golang/\./api@(devel)|golang/$(API)@$(VERSION)|; s|"(devel)"|"$(VERSION)"|' "$(DIST)/sbom.tmp" >"$(DIST)/sbom.json" && rm "$(DIST)/sbom.tmp"
	@echo "$(DIST)/sbom.json is written"

.PHONY: image-push
image-push: $(OCI) ## Push dist/image as IMG, with the credentials of docker login.
	@$(OCI) push --from "$(DIST)/image" "$(IMG)"

.PHONY: chart
chart: $(CHART) ## Package the Helm chart into dist.
	@$(CHART) package --out "$(DIST)" --created "$(SOURCE_DATE_EPOCH)"

# The repository that charts are pushed to.
CHARTS ?= ghcr.io/zoom-operator/charts

.PHONY: chart-push
chart-push: $(OCI) ## Push the chart in dist to CHARTS, for helm install oci://..., with the credentials of docker login.
	@$(OCI) push-chart --from "$(DIST)/zoom-operator-$(VERSION:v%=%).tgz" "$(CHARTS)"

.PHONY: release
release: release-tag image chart ## Write all that a release has into dist: image, SBOM, chart, install.yaml and checksums. TAG is checked against the version.
	@$(MAKE) build-installer OVERLAY=default NAMESPACES= OPERATOR_NAMESPACE=zoom-operator-system EXTERNAL_URL=https://zoom.example.org
	@cd "$(DIST)" && $(if $(shell command -v sha256sum),sha256sum,shasum -a 256) install.yaml sbom.json zoom-operator-*.tgz >checksums.txt
	@echo "$(DIST)/checksums.txt is written"

.PHONY: release-tag
release-tag:
	@if [ -n "$(TAG)" ] && [ "$(TAG)" != "$(VERSION)" ]; then echo "The tag is $(TAG), and config/default is of $(VERSION)" >&2; exit 1; fi

.PHONY: docker-build
docker-build: ## Build the container image IMG with docker.
	docker build --build-arg VERSION=$(VERSION) --tag $(IMG) .

# What is deployed: OVERLAY=default; OVERLAY=single, the small install; or, where there are several
# tenants, OVERLAY=cluster once and OVERLAY=namespaced for each operator, in an OPERATOR_NAMESPACE
# of its own, with the NAMESPACES that it works in.
OVERLAY ?= default
OPERATOR_NAMESPACE ?= zoom-operator-system
NAMESPACES ?=
DIST ?= dist
MANIFESTS = OVERLAY="$(OVERLAY)" OPERATOR_NAMESPACE="$(OPERATOR_NAMESPACE)" NAMESPACES="$(NAMESPACES)" IMAGE="$(IMAGE)" IMG="$(IMG)" \
	EXTERNAL_URL="$(EXTERNAL_URL)" hack/manifests.sh "$(KUSTOMIZE)"

# Your own kubectl; where there is none, one is built.
KUBECTL := $(or $(shell command -v kubectl),$(ASSETS)/kubectl)
NEEDS_KUBECTL = $(if $(filter $(ASSETS)/kubectl,$(KUBECTL)),kubernetes)

.PHONY: docker-push
docker-push: ## Push the container image IMG.
	docker push $(IMG)

.PHONY: build-installer
build-installer: external-url manifests ## Write dist/install.yaml: CRDs, RBAC and the operator in one file, reached at EXTERNAL_URL=https://...

.PHONY: manifests
manifests: $(KUSTOMIZE)
	@mkdir -p "$(DIST)"
	@$(MANIFESTS) >"$(DIST)/install.yaml"
	@echo "$(DIST)/install.yaml is written"

.PHONY: deploy
deploy: external-url $(NEEDS_KUBECTL) manifests ## Deploy the operator. EXTERNAL_URL=https://... is the address that Zoom reaches it at.
	@hack/deploy.sh "$(KUBECTL)" "$(DIST)/install.yaml" "$(OVERLAY)" "$(OPERATOR_NAMESPACE)" "$(NAMESPACES)"

.PHONY: external-url
external-url:
	@if [ -z "$(EXTERNAL_URL)" ] && [ "$(OVERLAY)" != cluster ]; then echo "EXTERNAL_URL is not set: make $(or $(firstword $(MAKECMDGOALS)),deploy) EXTERNAL_URL=https://zoom.your.org (the address that Zoom and browsers reach)" >&2; exit 1; fi

.PHONY: undeploy
undeploy: $(NEEDS_KUBECTL) manifests ## Delete every Zoom resource (which removes the app at Zoom), then the operator and the CRDs.
	@hack/undeploy.sh "$(KUBECTL)" "$(DIST)/install.yaml" "$(OVERLAY)" "$(OPERATOR_NAMESPACE)" "$(NAMESPACES)" "$(CONFIRM)"

.PHONY: remove-finalizers
remove-finalizers: $(NEEDS_KUBECTL) ## Let go what hangs because the operator went first. Customers' consents stay at Zoom; it says how many.
	@hack/remove-finalizers.sh "$(KUBECTL)" "$(CONFIRM)" "$(NAMESPACES)"

##@ Tools

.PHONY: kubernetes
kubernetes: $(SETUP_ENVTEST) ## Get the control plane for tests into bin/k8s, once: prebuilt, or, with PREBUILT=no, from source; KUBEBUILDER_ASSETS names one that exists.
	@PREBUILT="$(PREBUILT)" hack/kubernetes/build.sh "$(SETUP_ENVTEST)"

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

$(SETUP_ENVTEST): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,setup-envtest,hack/tools,sigs.k8s.io/controller-runtime/tools/setup-envtest)

$(DEADCODE): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,deadcode,hack/tools,golang.org/x/tools/cmd/deadcode)

$(EXPORTED): hack/tools/go.mod hack/tools/go.sum hack/tools/exported/main.go
	$(call build-tool,exported,hack/tools,./exported)

$(FILES): hack/tools/go.mod hack/tools/go.sum hack/tools/files/main.go
	$(call build-tool,files,hack/tools,./files)

$(CHART): hack/chart/go.mod hack/chart/go.sum $(wildcard hack/chart/*.go)
	$(call build-tool,chart,hack/chart,.)

# Of the release that hack/chart renders with. Tests install the chart with it.
$(HELM): hack/chart/go.mod hack/chart/go.sum
	$(call build-tool,helm,hack/chart,helm.sh/helm/v3/cmd/helm)

$(OCI): hack/oci/go.mod hack/oci/go.sum $(wildcard hack/oci/*.go)
	$(call build-tool,oci,hack/oci,.)

# What releases are made with pulls in much; it has a module of its own, so that nothing else waits for it.
$(CYCLONEDX): hack/tools/release/go.mod hack/tools/release/go.sum
	$(call build-tool,cyclonedx-gomod,hack/tools/release,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)

$(ACTIONLINT): hack/tools/release/go.mod hack/tools/release/go.sum
	$(call build-tool,actionlint,hack/tools/release,github.com/rhysd/actionlint/cmd/actionlint)

# golangci-lint with kube-api-linter in it. It has a module of its own because it pulls in every linter there is.
$(GOLANGCI_LINT): hack/tools/lint/go.mod hack/tools/lint/go.sum
	$(call build-tool,golangci-lint,hack/tools/lint,sigs.k8s.io/kube-api-linter/cmd/golangci-lint-kube-api-linter)
