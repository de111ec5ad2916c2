/*
 * A checkout that is watched: the C interface from start to ledger.
 *
 *     cc checkout.c -llabkit -o checkout
 *     ./checkout http://127.0.0.1:8480 DEFINITIONS
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "labkit.h"

#define TEXT(literal) (literal), sizeof(literal) - 1
#define NOTHING NULL, 0

static int fail(const char *what, labkit_status status) {
    fprintf(stderr, "%s: %s\n", what, labkit_status_message((int32_t)status));
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s http://HOST:PORT DEFINITIONS\n", argv[0]);
        return 2;
    }
    if (labkit_abi_version() < LABKIT_ABI_VERSION) {
        fprintf(stderr, "liblabkit %s is older than the header\n", labkit_version());
        return 1;
    }

    char config[512], error[256];
    int len = snprintf(config, sizeof config,
                       "{\"endpoint\": \"%s\", \"definitions\": \"%s\", \"type\": \"web\"}",
                       argv[1], argv[2]);
    labkit_client client;
    labkit_status status = labkit_client_new(config, (size_t)len, error, sizeof error, &client);
    if (status != LABKIT_STATUS_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }

    uint32_t definition;
    status = labkit_definition_lookup(client, TEXT("create_merge_request"), &definition);
    if (status != LABKIT_STATUS_OK) return fail("create_merge_request", status);

    /* One that goes well, and one that does not. From here on telemetry has
     * no say in what the program does: statuses may be ignored. */
    labkit_experience good = {0}, bad = {0};
    labkit_experience_start(client, definition, NOTHING, TEXT("{\"project_id\":7}"), &good);
    labkit_experience_checkpoint(&good, TEXT("form_posted"), NOTHING);
    labkit_experience_complete(&good, NOTHING);

    labkit_experience_start(client, definition, NOTHING, NOTHING, &bad);
    labkit_experience_error(&bad, TEXT("the target branch is gone"));
    labkit_experience_complete(&bad, NOTHING);

    status = labkit_client_shutdown(client, 5000);
    labkit_stats stats = {.size = sizeof stats};
    labkit_client_stats(client, &stats);
    printf("recorded %" PRIu64 ", acknowledged %" PRIu64 ", rejected %" PRIu64 ", dropped %" PRIu64
           "\n",
           stats.recorded, stats.acknowledged, stats.rejected, stats.dropped);

    char log[4096];
    size_t log_len = 0;
    if (labkit_client_drain_log(client, log, sizeof log, &log_len) == LABKIT_STATUS_OK)
        fwrite(log, 1, log_len, stderr);
    labkit_client_free(client);
    return status == LABKIT_STATUS_OK ? 0 : fail("shutdown", status);
}
