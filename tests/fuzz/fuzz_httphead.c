/* Heads of HTTP answers: found at the same place however much follows, not before they are whole, and judged. */
#include "fuzz.h"
#include "httphead.h"
#include "prng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aivo_http_head head = {0}, again = {0};
    struct aivo_error err = {0};
    char *text = exact_copy(data, size);
    enum aivo_http_found found = aivo_http_parse(text, size, &head);
    if (found == AIVO_HTTP_HEAD) {
        CHECK(head.total <= size && head.total <= AIVO_HTTP_HEAD_MAX);
        CHECK(head.status >= 100 && head.status <= 599);
        CHECK(aivo_http_parse(text, head.total, &again) == AIVO_HTTP_HEAD && again.total == head.total);
        CHECK(aivo_http_parse(text, head.total - 1, &again) == AIVO_HTTP_MORE);
        size_t len;
        const char *value = aivo_http_field(&head, "upgrade", &len);
        CHECK(!value || (value >= head.fields && value + len <= head.fields + head.fields_len));
        enum aivo_status status = aivo_upgrade_judge(&head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "chat", &err);
        CHECK(status == AIVO_OK || err.status == status);
        CHECK((status == AIVO_E_HTTP) == (head.status != 101));
    } else if (size > 0) {
        /* what is invalid stays so, what is unfinished was not finished earlier */
        CHECK(aivo_http_parse(text, size - 1, &again) != AIVO_HTTP_HEAD);
    }
    free(text);
    return 0;
}
