# A static binary without cgo in an image without a shell, not as root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /flowhq . && mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /flowhq /flowhq
COPY --from=build --chown=nonroot:nonroot /data /data
ENV DATABASE_URL=file:/data/flowhq.db LISTEN_ADDR=:8080
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/flowhq"]
CMD ["serve"]
