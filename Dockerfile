FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH VERSION
WORKDIR /src
COPY go.mod go.sum ./
COPY api/go.mod api/go.sum ./api/
RUN go mod download
# All that .dockerignore leaves; the modules above stay cached when only this changes.
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w -X main.release=$VERSION" -o /zoom-operator .

FROM gcr.io/distroless/static:nonroot
COPY --from=build /zoom-operator /zoom-operator
USER 65532:65532
ENTRYPOINT ["/zoom-operator"]
