package labkitgrpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkitgrpc"
	"gitlab.com/labkit/labkit-go/labkittest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

const definitions = "../../../tests/scenarios/definitions"

// stock is a service with a unary method and a stream: gRPC's own health
// checks, which need no generated code of ours.
type stock struct {
	health.UnimplementedHealthServer
}

func (stock) Check(ctx context.Context, _ *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	labkit.FromContext(ctx, "create_order").Checkpoint("reserved").Complete()
	return &health.HealthCheckResponse{}, nil
}

func (stock) Watch(_ *health.HealthCheckRequest, stream grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	xp := labkit.FromContext(stream.Context(), "create_order")
	for range 2 {
		xp.Checkpoint("packed")
		if err := stream.Send(&health.HealthCheckResponse{}); err != nil {
			return err
		}
	}
	xp.Complete()
	return nil
}

// serve starts a server on a free port, and connects to it.
func serve(t *testing.T, client *labkit.Client, trust labkitgrpc.Trust, options ...grpc.DialOption) health.HealthClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(labkitgrpc.UnaryServerInterceptor(client, trust)),
		grpc.ChainStreamInterceptor(labkitgrpc.StreamServerInterceptor(client, trust)))
	health.RegisterHealthServer(server, stock{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	connection, err := grpc.NewClient(listener.Addr().String(), options...)
	check(t, err)
	t.Cleanup(func() { check(t, connection.Close()) })
	return health.NewHealthClient(connection)
}

func ours() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(labkitgrpc.UnaryClientInterceptor()),
		grpc.WithChainStreamInterceptor(labkitgrpc.StreamClientInterceptor()),
	}
}

func loopback(ctx context.Context, method string) bool {
	from, ok := peer.FromContext(ctx)
	address, isTCP := from.Addr.(*net.TCPAddr)
	return ok && isTCP && address.IP.IsLoopback() && strings.HasPrefix(method, "/grpc.health.v1.Health/")
}

func TestAnExperienceCrossesAUnaryCall(t *testing.T) {
	shop, server := labkittest.New(t, definitions), labkittest.New(t, definitions)
	client := serve(t, server.Client, loopback, ours()...)
	ctx, _ := shop.Client.Start(t.Context(), "create_order")
	ctx, _ = shop.Client.Start(ctx, "sign_in")
	_, err := client.Check(ctx, &health.HealthCheckRequest{})
	check(t, err)
	server.Require("create_order", "intermediate:grpc_request_started", "intermediate:reserved", "end:success")
	server.Require("sign_in", "intermediate:grpc_request_started")
	if server.Of("create_order")[0].CorrelationID != shop.Of("create_order")[0].CorrelationID {
		t.Error("it is another experience")
	}
}

func TestAnExperienceCrossesAStream(t *testing.T) {
	shop, server := labkittest.New(t, definitions), labkittest.New(t, definitions)
	client := serve(t, server.Client, loopback, ours()...)
	ctx, _ := shop.Client.Start(t.Context(), "create_order")
	stream, err := client.Watch(ctx, &health.HealthCheckRequest{})
	check(t, err)
	for err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	server.Require("create_order", "intermediate:grpc_request_started",
		"intermediate:packed", "intermediate:packed", "end:success")
}

func TestNobodyIsTrustedByDefault(t *testing.T) {
	shop, server := labkittest.New(t, definitions), labkittest.New(t, definitions)
	ctx, _ := shop.Client.Start(t.Context(), "create_order")
	for name, trust := range map[string]labkitgrpc.Trust{
		"no trust": nil, "not this one": func(context.Context, string) bool { return false },
	} {
		client := serve(t, server.Client, trust, ours()...)
		if _, err := client.Check(ctx, &health.HealthCheckRequest{}); err != nil {
			t.Fatal(name, err)
		}
		server.Require("create_order")
	}
}

func TestForeignMetadataAreNotPassedOn(t *testing.T) {
	server := labkittest.New(t, definitions)
	client := serve(t, server.Client, loopback, ours()...)
	ctx, _ := labkittest.New(t, definitions).Client.Start(t.Context(), "sign_in")
	foreign := labkit.HeaderValue(ctx)
	forwarded := metadata.AppendToOutgoingContext(t.Context(), labkitgrpc.Key, foreign, "another", "stays")
	_, err := client.Check(forwarded, &health.HealthCheckRequest{})
	check(t, err)
	server.Require("sign_in")
	if sent, _ := metadata.FromOutgoingContext(forwarded); len(sent.Get(labkitgrpc.Key)) != 1 {
		t.Error("the caller's metadata were changed")
	}
}

func TestMetadataThatCannotBeReadAreLoggedAndTheCallServed(t *testing.T) {
	var log strings.Builder
	server := labkittest.New(t, definitions, labkit.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	client := serve(t, server.Client, loopback)
	ctx := metadata.AppendToOutgoingContext(t.Context(), labkitgrpc.Key, "nonsense")
	_, err := client.Check(ctx, &health.HealthCheckRequest{})
	check(t, err)
	server.Require("create_order")
	if !strings.Contains(log.String(), "invalid_carrier") {
		t.Errorf("log: %q", log.String())
	}
}

func TestANullClientServesAllTheSame(t *testing.T) {
	client := serve(t, nil, loopback, ours()...)
	ctx, _ := labkittest.New(t, definitions).Client.Start(t.Context(), "create_order")
	_, err := client.Check(ctx, &health.HealthCheckRequest{})
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
