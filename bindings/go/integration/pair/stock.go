package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkitgrpc"
	"google.golang.org/grpc"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
)

// stock serves until its standard input ends.
func stock(ctx context.Context, client *labkit.Client) error {
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	rpc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	routes := &http.Server{Handler: client.Middleware(loopback)(http.HandlerFunc(packed))}
	methods := grpc.NewServer(
		grpc.ChainUnaryInterceptor(labkitgrpc.UnaryServerInterceptor(client, local)),
		grpc.ChainStreamInterceptor(labkitgrpc.StreamServerInterceptor(client, local)))
	health.RegisterHealthServer(methods, packer{})
	ended := make(chan error, 2)
	go func() { ended <- routes.Serve(web) }()
	go func() { ended <- methods.Serve(rpc) }()
	fmt.Println(web.Addr(), rpc.Addr())

	_, _ = io.Copy(io.Discard, os.Stdin)
	methods.GracefulStop()
	err = routes.Shutdown(ctx)
	if served := <-ended; served != nil && !errors.Is(served, http.ErrServerClosed) {
		return served
	}
	return err
}

// packed ends the experience, as the shop does not wait for more.
func packed(w http.ResponseWriter, r *http.Request) {
	xp := labkit.FromContext(r.Context(), "create_order")
	xp.Checkpoint("packed").Complete(labkit.String("by", r.URL.Path))
	w.WriteHeader(http.StatusNoContent)
}

// packer does the same as a unary method and as a stream. gRPC's own health
// checks serve for it, as they need no generated code.
type packer struct {
	health.UnimplementedHealthServer
}

func (packer) Check(ctx context.Context, _ *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	labkit.FromContext(ctx, "create_order").Checkpoint("packed").Complete()
	return &health.HealthCheckResponse{}, nil
}

func (packer) Watch(_ *health.HealthCheckRequest, stream grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	labkit.FromContext(stream.Context(), "create_order").Checkpoint("packed").Complete()
	return stream.Send(&health.HealthCheckResponse{})
}

func loopback(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().IsLoopback()
}

func local(ctx context.Context, _ string) bool {
	from, ok := peer.FromContext(ctx)
	address, isTCP := from.Addr.(*net.TCPAddr)
	return ok && isTCP && address.IP.IsLoopback()
}
