package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkitgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
)

// customers order at once.
const customers = 8

// till takes orders. Each way of one ends in its own way.
type till struct {
	client *labkit.Client
	web    *http.Client
	url    string
	rpc    health.HealthClient
}

// shop takes ORDERS orders, an eighth of them each way. The ways whose names
// begin with "packed" end in the stock.
func shop(ctx context.Context, client *labkit.Client) error {
	var webAddress, rpcAddress string
	if _, err := fmt.Sscan(os.Getenv("STOCK"), &webAddress, &rpcAddress); err != nil {
		return fmt.Errorf("STOCK: %w", err)
	}
	orders, err := strconv.Atoi(os.Getenv("ORDERS"))
	if err != nil {
		return fmt.Errorf("ORDERS: %w", err)
	}
	connection, err := grpc.NewClient(rpcAddress,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(labkitgrpc.UnaryClientInterceptor()),
		grpc.WithChainStreamInterceptor(labkitgrpc.StreamClientInterceptor()))
	if err != nil {
		return err
	}
	defer connection.Close()
	t := &till{
		client: client, web: &http.Client{Transport: &labkit.Transport{}},
		url: "http://" + webAddress + "/orders", rpc: health.NewHealthClient(connection),
	}
	return t.serve(ctx, orders)
}

// serve lets the customers come, each order in a goroutine of its own: one way
// ends it.
func (t *till) serve(ctx context.Context, orders int) error {
	ways := []func(context.Context) error{
		t.packedByHTTP, t.packedByCall, t.packedByStream, t.soldOut, t.declined, t.dryRun, t.crashed, t.walkedOut,
	}
	var all sync.WaitGroup
	failed := make(chan error, orders)
	free := make(chan struct{}, customers)
	for i := range orders {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			defer func() {
				if v := recover(); v != nil && v != errCrash {
					failed <- fmt.Errorf("%v", v)
				}
			}()
			if err := ways[i%len(ways)](ctx); err != nil && !errors.Is(err, errDeclined) {
				failed <- err
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

var (
	errDeclined = errors.New("card declined")
	errCrash    = errors.New("no such warehouse")
)

func (t *till) packedByHTTP(ctx context.Context) error {
	ctx, _ = t.client.Start(ctx, "create_order", labkit.String("by", "http"))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, nil)
	if err != nil {
		return err
	}
	answer, err := t.web.Do(request)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (t *till) packedByCall(ctx context.Context) error {
	ctx, _ = t.client.Start(ctx, "create_order", labkit.String("by", "call"))
	_, err := t.rpc.Check(ctx, &health.HealthCheckRequest{})
	return err
}

func (t *till) packedByStream(ctx context.Context) error {
	ctx, _ = t.client.Start(ctx, "create_order", labkit.String("by", "stream"))
	stream, err := t.rpc.Watch(ctx, &health.HealthCheckRequest{})
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (t *till) soldOut(ctx context.Context) error {
	return t.client.Do(ctx, "create_order", func(_ context.Context, xp *labkit.Experience) error {
		xp.Checkpoint("looked_up").Handled("sold_out")
		return nil
	})
}

func (t *till) declined(ctx context.Context) (err error) {
	_, xp := t.client.Start(ctx, "create_order")
	defer xp.Done(&err)
	return errDeclined
}

func (t *till) dryRun(ctx context.Context) error {
	_, xp := t.client.Start(ctx, "create_order")
	defer xp.Done(nil)
	xp.Discard("dry_run")
	return nil
}

func (t *till) crashed(ctx context.Context) (err error) {
	_, xp := t.client.Start(ctx, "create_order")
	defer xp.Done(&err)
	panic(errCrash)
}

// walkedOut leaves an experience that nobody ends.
func (t *till) walkedOut(ctx context.Context) error {
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, xp := t.client.Start(ctx, "visit")
		defer xp.Done(nil)
		runtime.Goexit()
	}()
	<-left
	return nil
}
