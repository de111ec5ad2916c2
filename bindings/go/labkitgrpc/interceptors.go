// Package labkitgrpc takes user experiences from one gRPC service to the next,
// as package labkit does over HTTP. It is a module of its own, so that nobody
// else depends on gRPC.
//
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(labkitgrpc.UnaryServerInterceptor(client, trust)),
//		grpc.ChainStreamInterceptor(labkitgrpc.StreamServerInterceptor(client, trust)))
//
//	connection, err := grpc.NewClient(address,
//		grpc.WithChainUnaryInterceptor(labkitgrpc.UnaryClientInterceptor()),
//		grpc.WithChainStreamInterceptor(labkitgrpc.StreamClientInterceptor()))
//
// They complete nothing: the method knows whether the experience ends there.
package labkitgrpc

import (
	"context"
	"strings"

	labkit "gitlab.com/labkit/labkit-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Key is the metadata's key: the carrier header, as gRPC writes it.
var Key = strings.ToLower(labkit.CarrierHeader)

// Category is the checkpoint that a call's arrival leaves.
const Category = "grpc_request_started"

// Trust says whether the peer of a call may hand over experiences. Whoever may,
// can write into other people's: accept only your own services, told by
// credentials or address, which package peer reads from the context. method is
// the full name, "/package.Service/Method".
type Trust func(ctx context.Context, method string) bool

// UnaryServerInterceptor continues the experiences that trusted peers hand
// over: the method finds them with [labkit.FromContext]. Each leaves a
// checkpoint of the category [Category]. A nil trust accepts nobody; metadata
// that cannot be read are logged, and the call is served. A nil client is a null
// one.
func UnaryServerInterceptor(client *labkit.Client, trust Trust) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		return next(resume(ctx, client, trust, info.FullMethod), request)
	}
}

// StreamServerInterceptor is [UnaryServerInterceptor] for streams.
func StreamServerInterceptor(client *labkit.Client, trust Trust) grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		ctx := resume(stream.Context(), client, trust, info.FullMethod)
		return next(server, &serverStream{stream, ctx})
	}
}

// UnaryClientInterceptor hands the active experiences of each call's context
// over to the server. It sets the metadata or removes them, so that nobody's
// from outside are passed on. Use it for connections to your own services.
func UnaryClientInterceptor() grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, request, reply any,
		connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		return invoke(handOver(ctx), method, request, reply, connection, options...)
	}
}

// StreamClientInterceptor is [UnaryClientInterceptor] for streams.
func StreamClientInterceptor() grpc.StreamClientInterceptor {
	return func(
		ctx context.Context, description *grpc.StreamDesc,
		connection *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return open(handOver(ctx), description, connection, method, options...)
	}
}

// serverStream is a stream with another context.
type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *serverStream) Context() context.Context { return s.ctx }

func resume(ctx context.Context, client *labkit.Client, trust Trust, method string) context.Context {
	values := metadata.ValueFromIncomingContext(ctx, Key)
	if len(values) == 0 || trust == nil || !trust(ctx, method) {
		return ctx
	}
	return client.ResumeHeader(ctx, values[0], Category)
}

func handOver(ctx context.Context) context.Context {
	value := labkit.HeaderValue(ctx)
	sent, _ := metadata.FromOutgoingContext(ctx) // a copy
	if value == "" {
		if len(sent.Get(Key)) == 0 {
			return ctx
		}
		sent.Delete(Key)
		return metadata.NewOutgoingContext(ctx, sent)
	}
	if sent == nil {
		sent = metadata.MD{}
	}
	sent.Set(Key, value)
	return metadata.NewOutgoingContext(ctx, sent)
}
