package integration_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	labkit "gitlab.com/labkit/labkit-go"
)

// each is how many orders go each of the eight ways.
const each = 50

func TestAServerAndItsClientEndEveryExperienceOnce(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			directory := write(t, t.TempDir(), definitions)
			tr := track(t, directory)
			stock, shop := trade(t, f.program(t, "pair"), tr.url, directory)
			const ends = 8 * each
			tr.await(ends)

			// What became of all that was recorded, in either process.
			// By HTTP, call and stream: start here, arrival, packed and end there.
			requireLedger(t, "shop", shop, (3+3+2+2+2+1)*each)
			requireLedger(t, "stock", stock, 9*each)
			if sum := tr.counted("gitlab_user_experience_checkpoint_total"); sum != 22*each {
				t.Errorf("the tracker counted %d checkpoints, not %d", sum, 22*each)
			}
			// How they ended: by its counters, and by its log.
			for outcome, want := range map[string]int{
				"create_order success": 3 * each, "create_order handled": each, "create_order error": 2 * each,
				"create_order discarded": each, "create_order timeout": 0, "visit timeout": each,
			} {
				id, how, _ := strings.Cut(outcome, " ")
				got := tr.counted("labkit_user_experience_outcome_total",
					`user_experience_id="`+id+`"`, `outcome="`+how+`"`)
				if got != want {
					t.Errorf("%s: %d, expected %d", outcome, got, want)
				}
			}
			requireOneEndEach(t, tr.end(), ends)
		})
	}
}

// trade starts the stock, lets the shop take its orders, ends both, and gives
// their ledgers.
func trade(t *testing.T, program, tracker, definitions string) (stock, shop labkit.Stats) {
	t.Helper()
	surroundings := environment(t, "TRACKER="+tracker, "DEFINITIONS="+definitions, "ORDERS="+strconv.Itoa(8*each))
	server := exec.CommandContext(t.Context(), program, "stock")
	server.Env, server.Stderr = surroundings, t.Output()
	hold, err := server.StdinPipe()
	check(t, err)
	output, err := server.StdoutPipe()
	check(t, err)
	check(t, server.Start())
	printed := bufio.NewReader(output)
	addresses, err := printed.ReadString('\n')
	if err != nil {
		t.Fatalf("the stock did not start: %v, %v", err, server.Wait())
	}
	taken := run(t, ".", append(surroundings, "STOCK="+strings.TrimSpace(addresses)), program, "shop")
	check(t, hold.Close())
	counted, err := io.ReadAll(printed)
	check(t, err)
	check(t, server.Wait())
	check(t, json.Unmarshal(counted, &stock))
	check(t, json.Unmarshal([]byte(taken), &shop))
	return stock, shop
}

func requireLedger(t *testing.T, who string, s labkit.Stats, recorded uint64) {
	t.Helper()
	if s.Recorded != recorded || s.Acknowledged != recorded || s.Rejected+s.Queued+s.Dropped != 0 {
		t.Errorf("%s: expected %d recorded and acknowledged: %+v", who, recorded, s)
	}
}

// requireOneEndEach reads the whole log.
func requireOneEndEach(t *testing.T, log []event, ends int) {
	t.Helper()
	ended := map[string]int{}
	reasons := map[string]int{}
	for _, e := range log {
		if e.isEnd() {
			ended[e.UserExperienceID+" "+e.CorrelationID]++
			reasons[fmt.Sprint(e.Outcome, " ", e.Reason)]++
		}
		if e.Event == "anomaly" || e.Event == "late_end" {
			t.Errorf("%+v", e)
		}
	}
	if len(ended) != ends {
		t.Errorf("%d experiences ended, not %d", len(ended), ends)
	}
	for which, times := range ended {
		if times != 1 {
			t.Errorf("%s ended %d times", which, times)
		}
	}
	for reason, want := range map[string]int{
		"handled sold_out": each, "error card declined": each, "error no such warehouse": each,
		"discarded dry_run": each, "timeout no_end": each,
	} {
		if reasons[reason] != want {
			t.Errorf("%s: %d times, expected %d: %v", reason, reasons[reason], want, reasons)
		}
	}
}
