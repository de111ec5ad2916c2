package labkitgrpc_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkitgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
)

// One service hands an experience over to the next in a call's metadata.
func Example() {
	client, err := labkit.New(labkit.Config{Definitions: definitions, Type: "web"},
		labkit.WithMemoryTransport(), labkit.WithStrict(true))
	if err != nil {
		panic(err)
	}
	inside := netip.MustParsePrefix("127.0.0.0/8")
	trust := func(ctx context.Context, method string) bool {
		from, ok := peer.FromContext(ctx)
		if !ok {
			return false
		}
		address, err := netip.ParseAddrPort(from.Addr.String())
		return err == nil && inside.Contains(address.Addr())
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(labkitgrpc.UnaryServerInterceptor(client, trust)),
		grpc.ChainStreamInterceptor(labkitgrpc.StreamServerInterceptor(client, trust)))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	health.RegisterHealthServer(server, stock{})
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	address := listener.Addr().String()
	internal, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(labkitgrpc.UnaryClientInterceptor()),
		grpc.WithChainStreamInterceptor(labkitgrpc.StreamClientInterceptor()))
	if err != nil {
		panic(err)
	}
	defer internal.Close()

	ctx, _ := client.Start(context.Background(), "create_order")
	if _, err := health.NewHealthClient(internal).Check(ctx, &health.HealthCheckRequest{}); err != nil {
		panic(err)
	}
	lines, err := client.Testing().Take()
	fmt.Println(len(lines), err)
	// Output: 4 <nil>
}
