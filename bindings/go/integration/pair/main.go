// Command pair is two services of a shop, for the integration tests:
//
//	pair stock    serves HTTP and gRPC, prints both addresses
//	pair shop     takes orders, and has them packed by the stock
//
// Each prints its ledger when it ends. The environment names the tracker
// (TRACKER), the definitions (DEFINITIONS), and for the shop the stock (STOCK,
// its line) and how many orders there are (ORDERS).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

func main() {
	roles := map[string]func(context.Context, *labkit.Client) error{"stock": stock, "shop": shop}
	if len(os.Args) != 2 || roles[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "pair stock, or pair shop")
		os.Exit(2)
	}
	if err := run(os.Args[1], roles[os.Args[1]]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(role string, serve func(context.Context, *labkit.Client) error) error {
	client, err := labkit.New(labkit.Config{
		Endpoint: os.Getenv("TRACKER"), Definitions: os.Getenv("DEFINITIONS"), Type: role,
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if err := serve(ctx, client); err != nil {
		return err
	}
	if err := client.Shutdown(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(client.Stats())
}
