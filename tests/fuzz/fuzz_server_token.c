/* A token's way through the checks: no arbitrary bytes are ever accepted, and nothing reads beyond them. */
#include "auth.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct srv_auth *auth;
    struct srv_identity identity;
    char error[128];
    /* A secret that no corpus can sign with: it differs from run to run. */
    static char secret[32];
    if (auth == NULL) {
        for (size_t i = 0; i + 1 < sizeof secret; i++)
            secret[i] = (char)('!' + (((uintptr_t)&identity >> 4) * 2654435761U >> (i % 16)) % 90);
        if (!srv_auth_new(secret, NULL, &auth, error, sizeof error))
            abort();
    }
    CHECK(srv_auth_verify(auth, (const char *)data, size, 1700000000, &identity) != SRV_AUTH_OK);
    return 0;
}
