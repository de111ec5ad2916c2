/*
 * What a sanitizer must not let pass, or its silence about the other programs
 * means nothing:
 *
 *     canary freed     the library reads a text that its caller has freed
 *     canary leaked    memory that nobody knows of any more
 */
#include "check.h"

int main(int argc, char **argv) {
    NEED(argc == 2);
    if (!strcmp(argv[1], "freed")) {
        char *volatile config = strdup("{\"typo\":1}"); /* or the compiler would complain */
        size_t len = strlen(config);
        free(config);
        labkit_client client;
        labkit_client_new(config, len, NOTHING, &client);
    }
    if (!strcmp(argv[1], "leaked")) {
        char *volatile lost = malloc(77);
        NEED(lost);
        lost = NULL;
    }
    return 0;
}
