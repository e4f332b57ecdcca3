/* The Engine.IO query on arbitrary bytes: whatever comes, the result keeps what query.h promises, and the result of a
 * query that was refused is that of an empty one. */
#include "fuzz.h"
#include "query.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct srv_query q, empty, again;
    memset(&q, 0xa5, sizeof q);
    memset(&empty, 0, sizeof empty);
    bool ok = srv_query_parse((const char *)data, size, &q);
    CHECK(q.eio >= -1 && q.eio <= 99);
    CHECK(q.transport <= SRV_QUERY_TRANSPORT_WEBSOCKET);
    CHECK(memchr(q.sid, '\0', sizeof q.sid) != NULL);
    CHECK(q.has_sid || q.sid[0] == '\0');
    for (const char *c = q.sid; *c != '\0'; c++)
        CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
    if (!ok) {
        CHECK(size > SRV_QUERY_MAX_BYTES || size >= SRV_QUERY_MAX_PAIRS);
        CHECK(q.eio == 0 && !q.has_sid && !q.b64 && q.transport == SRV_QUERY_TRANSPORT_MISSING);
        return 0;
    }
    /* Names that nobody knows in front change nothing. */
    char *longer = malloc(size + 4);
    if (longer != NULL && size + 4 <= SRV_QUERY_MAX_BYTES) {
        memcpy(longer, "t=x&", 4);
        memcpy(longer + 4, data, size);
        if (srv_query_parse(longer, size + 4, &again))
            CHECK(again.eio == q.eio && again.transport == q.transport && again.has_sid == q.has_sid &&
                  again.b64 == q.b64 && strcmp(again.sid, q.sid) == 0);
    }
    free(longer);
    return 0;
}
