/*
 * A library built to panic on demand (src/inject.rs), otherwise what ships: the
 * host survives, hears nothing on stderr, and the ledger balances. The caller
 * of this program looks at its stderr.
 */
#include "check.h"

static void expect_log(labkit_client client, const char *text) {
    char log[4096];
    size_t len = 0;
    EXPECT(OK, labkit_client_drain_log(client, log, sizeof log - 1, &len));
    log[len] = 0;
    if (strstr(log, text)) return;
    printf("the log does not say %s: %s\n", text, log);
    failures++;
}

int main(void) {
    labkit_client client = 0;
    uint32_t definition = 0;
    labkit_experience xp = {{0}};
    EXPECT(OK, labkit_client_new(TEXT("{\"transport\":\"memory\",\"definitions\":"
                                      "\"tests/scenarios/definitions\",\"type\":\"web\"}"),
                                 NOTHING, &client));
    EXPECT(OK, labkit_definition_lookup(client, TEXT("sign_in"), &definition));
    EXPECT(OK, labkit_experience_start(client, definition, NOTHING, NOTHING, &xp));
    EXPECT(OK, labkit_client_flush(client, 10000));

    EXPECT(PANIC, labkit_experience_checkpoint(&xp, TEXT("panic_in_entry"), NOTHING));
    expect_log(client, "a call panicked: asked for by panic_in_entry at src");

    EXPECT(OK, labkit_experience_checkpoint(&xp, TEXT("panic_in_worker"), NOTHING));
    EXPECT(OK, labkit_client_flush(client, 10000));
    expect_log(client, "1 checkpoints are lost: asked for by panic_in_worker at src");

    EXPECT(OK, labkit_experience_complete(&xp, NOTHING));
    EXPECT(OK, labkit_client_shutdown(client, 10000));
    labkit_stats stats = {.size = sizeof stats};
    EXPECT(OK, labkit_client_stats(client, &stats));
    if (stats.recorded != 3 || stats.acknowledged != 2 || stats.dropped_worker_lost != 1 ||
        stats.dropped != 1 || stats.queued != 0 || stats.worker_restarts != 1) {
        printf("the ledger: recorded %lu, acknowledged %lu, lost %lu, queued %lu, restarts %lu\n",
               (unsigned long)stats.recorded, (unsigned long)stats.acknowledged,
               (unsigned long)stats.dropped_worker_lost, (unsigned long)stats.queued,
               (unsigned long)stats.worker_restarts);
        failures++;
    }
    EXPECT(OK, labkit_client_free(client));
    return verdict("the host survived each panic, in silence");
}
