package labkit_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
	"gitlab.com/labkit/labkit-go/labkittest"
)

func everybody(*http.Request) bool { return true }

// served sends one request through the middleware and tells what its handler
// saw of create_order.
func served(t *testing.T, c *labkit.Client, trust labkit.Trust, header string) (xp *labkit.Experience) {
	t.Helper()
	reached := false
	handler := c.Middleware(trust)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached = true
		xp = labkit.FromContext(r.Context(), "create_order")
	}))
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if header != "" {
		r.Header.Set(labkit.CarrierHeader, header)
	}
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if !reached {
		t.Error("the request was not served")
	}
	return xp
}

func header(carrier string) string { return base64.RawURLEncoding.EncodeToString([]byte(carrier)) }

func TestAnExperienceCrossesHTTP(t *testing.T) {
	shop := labkittest.New(t, definitions)
	stock := labkittest.New(t, definitions)
	server := httptest.NewServer(stock.Client.Middleware(everybody)(http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) {
			labkit.FromContext(r.Context(), "create_order").Checkpoint("reserved").Complete()
		})))
	defer server.Close()

	ctx, _ := shop.Client.Start(t.Context(), "create_order")
	ctx, _ = shop.Client.Start(ctx, "sign_in")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	check(t, err)
	client := &http.Client{Transport: &labkit.Transport{}}
	answer, err := client.Do(request)
	check(t, err)
	check(t, answer.Body.Close())
	client.CloseIdleConnections()

	stock.Require("create_order",
		"intermediate:http_request_started", "intermediate:reserved", "end:success")
	stock.Require("sign_in", "intermediate:http_request_started")
	if stock.Of("create_order")[0].CorrelationID != shop.Of("create_order")[0].CorrelationID {
		t.Error("it is another experience")
	}
	if len(request.Header) != 0 {
		t.Errorf("the caller's request was changed: %v", request.Header)
	}
}

func TestNobodyIsTrustedByDefault(t *testing.T) {
	recorder := labkittest.New(t, definitions)
	_, order := recorder.Client.Start(t.Context(), "create_order")
	value := header(order.Carrier())
	if served(t, recorder.Client, nil, value) != nil {
		t.Error("without a Trust")
	}
	if served(t, recorder.Client, func(*http.Request) bool { return false }, value) != nil {
		t.Error("a peer that is not trusted")
	}
	if served(t, recorder.Client, everybody, value) == nil {
		t.Error("a peer that is trusted")
	}
}

func TestAHeaderThatCannotBeReadIsLoggedAndTheRequestServed(t *testing.T) {
	for name, value := range map[string]string{
		"no base64":        "%%%",
		"padded":           base64.URLEncoding.EncodeToString([]byte(`{"create_order":{}} `)),
		"no JSON":          header("nonsense"),
		"no object":        header("[1]"),
		"no experience":    header(`{"create_order":{}}`),
		"a bad id":         header(`{"create_order":{"correlation_id":"x"}}`),
		"more than 4 KiB":  header(`{"create_order":{"correlation_id":"` + strings.Repeat("x", 4096) + `"}}`),
		"an unknown start": header(`{"create_order":{"start_time":"yesterday"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			client := newClient(t, labkit.Config{
				Definitions: definitions, Type: "web", Transport: "memory", Strict: true,
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if served(t, client, everybody, value) != nil {
				t.Error("it resumed something")
			}
			if !strings.Contains(log.String(), "invalid_carrier") {
				t.Errorf("log: %q", log.String())
			}
		})
	}
}

func TestAnExperienceThatIsNotDefinedHereIsNobodysMistake(t *testing.T) {
	client := newMemoryClient(t, true, nil)
	value := header(`{"of_another_service":{"correlation_id":"01KE6Y6MG0AAAAAAAAAAAAAAAA"},` +
		`"create_order":{"correlation_id":"01KE6Y6MG0BBBBBBBBBBBBBBBB"}}`)
	if got := served(t, client, everybody, value).Info().CorrelationID; got != "01KE6Y6MG0BBBBBBBBBBBBBBBB" {
		t.Error(got)
	}
}

func TestAForeignHeaderIsNotPassedOn(t *testing.T) {
	var sent string
	transport := &labkit.Transport{Base: roundTrip(func(r *http.Request) { sent = r.Header.Get(labkit.CarrierHeader) })}
	forward := func(ctx context.Context) {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		r.Header.Set(labkit.CarrierHeader, "from outside")
		_, err := transport.RoundTrip(r)
		check(t, err)
	}
	forward(t.Context())
	if sent != "" {
		t.Errorf("sent %q", sent)
	}
	ctx, order := newMemoryClient(t, true, nil).Start(t.Context(), "create_order")
	forward(ctx)
	if sent != header(order.Carrier()) {
		t.Errorf("sent %q", sent)
	}
}

type roundTrip func(*http.Request)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}
