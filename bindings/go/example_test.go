package labkit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"time"

	labkit "gitlab.com/labkit/labkit-go"
)

// In a program the client is a variable of main, or a field of the application.
var client *labkit.Client

// Examples run without a tracker: this client keeps what it records.
func newExampleClient() *labkit.Client {
	c, err := labkit.New(labkit.Config{Definitions: definitions, Type: "web", Transport: "memory", Strict: true})
	if err != nil {
		panic(err)
	}
	return c
}

// recorded prints the bare story of what was recorded.
func recorded() {
	lines, err := client.Testing().Take()
	if err != nil {
		panic(err)
	}
	for _, line := range lines {
		c := decode(line)
		words := fmt.Sprint(c["user_experience_id"], " ", c["checkpoint"])
		for _, key := range []string{"checkpoint_category", "outcome", "reason", "meta"} {
			if c[key] != nil {
				words += fmt.Sprint(" ", c[key])
			}
		}
		fmt.Println(words)
	}
	if err := client.Close(); err != nil {
		panic(err)
	}
}

func ExampleNew() {
	client, err := labkit.New(labkit.Config{
		Endpoint:    "http://127.0.0.1:8480",
		Definitions: "../../tests/scenarios/definitions",
		Type:        "web",
		Token:       os.Getenv("LABKIT_TOKEN"),
		Strict:      os.Getenv("APP_ENV") != "production",
	})
	if err != nil {
		fmt.Println(err) // a nil client records nothing, so the program may go on
	}
	// Last thing in main, after the servers have stopped:
	ctx, stop := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer stop()
	if err := client.Shutdown(ctx); err != nil {
		fmt.Println(err, client.Stats().DroppedShutDown)
	}
	// Output:
}

// Options vary a configuration that serves the whole program.
func ExampleOption() {
	base := labkit.Config{Endpoint: "http://127.0.0.1:8480", Definitions: definitions, Type: "web"}
	quiet, err := labkit.New(base, labkit.WithMemoryTransport(), labkit.WithStrict(true),
		labkit.WithSetting("queue_items", 64))
	if err != nil {
		panic(err)
	}
	_, xp := quiet.Start(context.Background(), "create_order")
	xp.Complete()
	fmt.Println(quiet.Stats().Recorded, base.Transport == "", base.Settings == nil)
	// Output: 2 true true
}

// A prepared definition, and the start as a function.
func ExampleStart() {
	client = newExampleClient()
	def := client.Definition("create_order")
	work := func(ctx context.Context) (err error) {
		ctx, xp := labkit.Start(ctx, def)
		defer xp.Done(&err)
		labkit.FromContext(ctx, "create_order").Checkpoint("packed")
		return nil
	}
	fmt.Println(work(context.Background()))
	recorded()
	// Output:
	// <nil>
	// create_order start
	// create_order intermediate packed
	// create_order end success
}

// An experience lives as long as the function that started it.
func ExampleClient_Start() {
	client = newExampleClient()
	createOrder := func(ctx context.Context, items int) (err error) {
		_, xp := client.Start(ctx, "create_order", labkit.Int("items", items))
		defer xp.Done(&err)
		xp.Checkpoint("form_posted")
		if items == 0 {
			return errors.New("no items")
		}
		return nil
	}
	fmt.Println(createOrder(context.Background(), 3))
	fmt.Println(createOrder(context.Background(), 0))
	recorded()
	// Output:
	// <nil>
	// no items
	// create_order start map[items:3]
	// create_order intermediate form_posted
	// create_order end success map[items:3]
	// create_order start map[items:0]
	// create_order intermediate form_posted
	// create_order end error no items map[items:0]
}

// An experience lives as long as its block.
func ExampleClient_Do() {
	client = newExampleClient()
	err := client.Do(context.Background(), "sign_in", func(ctx context.Context, xp *labkit.Experience) error {
		xp.Handled("locked_out") // expected: no failure of ours
		return nil
	})
	fmt.Println(err)
	recorded()
	// Output:
	// <nil>
	// sign_in start
	// sign_in end handled locked_out
}

// A job continues what a request began. The carrier travels in its payload.
func ExampleClient_Resume() {
	client = newExampleClient()
	var payload struct{ UserExperiences string }

	request := func() {
		ctx, xp := client.Start(context.Background(), "create_order")
		xp.Checkpoint("job_scheduled")
		payload.UserExperiences = labkit.Carrier(ctx)
	}
	job := func(ctx context.Context) (err error) {
		_, xp := client.Resume(labkit.NewScope(ctx), "create_order", payload.UserExperiences,
			labkit.WithCategory("job_started"), labkit.String("queue", "default"))
		defer xp.Done(&err)
		return nil
	}
	request()
	fmt.Println(job(context.Background()))
	recorded()
	// Output:
	// <nil>
	// create_order start
	// create_order intermediate job_scheduled
	// create_order intermediate job_started map[queue:default]
	// create_order end success map[queue:default]
}

// Prepared once, a definition saves each call the search for its id.
func ExampleClient_Definition() {
	client = newExampleClient()
	signIn := client.Definition("sign_in")
	_, xp := signIn.Start(context.Background())
	xp.Complete()
	signIn.Observed(context.Background(), labkit.Observation{
		Start:   time.Now().Add(-2 * time.Second),
		Outcome: labkit.OutcomeError,
		Reason:  "identity provider is down",
	})
	recorded()
	// Output:
	// sign_in start
	// sign_in end success
	// sign_in start
	// sign_in end error identity provider is down
}

// One service hands an experience over to the next in a header.
func ExampleClient_Middleware() {
	client = newExampleClient()
	inside := netip.MustParsePrefix("127.0.0.0/8")
	trust := func(r *http.Request) bool {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		return err == nil && inside.Contains(peer.Addr())
	}
	stock := httptest.NewServer(client.Middleware(trust)(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			labkit.FromContext(r.Context(), "create_order").Checkpoint("stock_reserved")
		})))
	defer stock.Close()

	ctx, xp := client.Start(context.Background(), "create_order")
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, stock.URL, nil)
	internal := &http.Client{Transport: &labkit.Transport{}}
	if answer, err := internal.Do(request); err == nil {
		_ = answer.Body.Close()
	}
	xp.Complete()
	recorded()
	// Output:
	// create_order start
	// create_order intermediate http_request_started
	// create_order intermediate stock_reserved
	// create_order end success
}

// In development and test, mistakes show.
func ExampleError() {
	client = newExampleClient()
	defer func() {
		err := recover().(*labkit.Error)
		fmt.Println(err)
		fmt.Println(errors.Is(err, labkit.StatusReservedKey))
	}()
	client.Start(context.Background(), "create_order", labkit.String("urgency", "high"))
	// Output:
	// labkit: start create_order: an extra has a reserved name (reserved_key)
	// true
}
