/* URLs, proxies' URLs and no_proxy lists: what is accepted says the same when it is put together and read again. */
#include "fuzz.h"
#include "httphead.h"
#include "prng.h"
#include "proxy.h"
#include "url.h"

static void check_url(const char *text)
{
    struct aivo_url url = {0}, again = {0};
    struct aivo_error err = {0};
    if (aivo_url_parse(text, &url, &err) != AIVO_OK) {
        CHECK(err.status == AIVO_E_INVALID && err.message[0]);
        return;
    }
    CHECK(url.host[0] && url.port && url.path[0] == '/');
    struct aivo_buf made = {0};
    aivo_buf_str(&made, url.tls ? "wss://" : "ws://");
    aivo_host_port(&made, url.host, url.port);
    aivo_buf_str(&made, url.path);
    aivo_buf_str(&made, "?");
    aivo_buf_str(&made, url.query);
    if (made.len <= AIVO_URL_MAX) {
        CHECK(aivo_url_parse(made.data, &again, NULL) == AIVO_OK);
        CHECK(again.tls == url.tls && again.port == url.port && again.ipv6 == url.ipv6);
        CHECK(!strcmp(again.host, url.host) && !strcmp(again.path, url.path) && !strcmp(again.query, url.query));
    }
    CHECK(aivo_upgrade_check(url.path, NULL, NULL, &err) == AIVO_OK);
    aivo_no_proxy_covers(text, url.host, url.port);
    CHECK(aivo_no_proxy_covers("*", url.host, url.port));
    aivo_buf_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct aivo_proxy proxy = {0};
    struct aivo_error err = {0};
    char *text = malloc(size + 1);
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    check_url(text);
    if (aivo_proxy_parse(text, &proxy, &err) == AIVO_OK)
        CHECK(proxy.used && proxy.host[0] && proxy.port);
    aivo_no_proxy_covers(text, "a.example", 80);
    aivo_no_proxy_covers(text, "::1", 80);
    free(text);
    return 0;
}
