/* The flags of every command that connects: their table, and whether their values make sense. */
#include "flags.h"
#include "jsontext.h"
#include "textfile.h"
#include "token.h"
#include <aivo/options.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The library's limits: its own messages name options, not flags. */
#define PATH_MAX_BYTES 1024
#define NAMESPACE_MAX  512
#define PINS_MAX       16

static const char *const protocols[] = {"socketio", "websocket", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

#define AT(member) offsetof(struct cli_common, member)
const struct cli_flag cli_common_flags[] = {
    {"token", CLI_FLAG_TEXT, AT(token), "T", "the token to authenticate with", 0, 0, NULL},
    {"token-file", CLI_FLAG_TEXT, AT(token_file), "FILE", "read the token from FILE, anew at every (re)connect", 0, 0,
     NULL},
    {"token-secret", CLI_FLAG_TEXT, AT(token_secret), "S", "mint a token with secret S for --user at every (re)connect",
     0, 0, NULL},
    {"user", CLI_FLAG_TEXT, AT(user), "U", "the learner's id (and whom --token-secret mints for)", 0, 0, NULL},
    {"auth", CLI_FLAG_TEXT, AT(auth), "JSON", "further members of the CONNECT payload, a JSON object", 0, 0, NULL},
    {"namespace", CLI_FLAG_TEXT, AT(nsp), "N", "Socket.IO namespace (default /)", 0, 0, NULL},
    {"path", CLI_FLAG_TEXT, AT(path), "P", "HTTP path (default /socket.io/)", 0, 0, NULL},
    {"ca", CLI_FLAG_TEXT, AT(ca), "FILE", "trust the CAs in this PEM file, not the system's", 0, 0, NULL},
    {"cert", CLI_FLAG_TEXT, AT(cert), "FILE", "client certificate chain (PEM), with --key", 0, 0, NULL},
    {"key", CLI_FLAG_TEXT, AT(key), "FILE", "private key of --cert (PEM)", 0, 0, NULL},
    {"pin", CLI_FLAG_TEXT, AT(pin), "sha256//B64", "the server's key must have this hash (several: join with ;)", 0, 0,
     NULL},
    {"insecure", CLI_FLAG_BOOL, AT(insecure), NULL, "do not check the server's certificate", 0, 0, NULL},
    {"proxy", CLI_FLAG_ANY, AT(proxy), "URL", "HTTP CONNECT proxy; \"\" is none (default: the environment's)", 0, 0,
     NULL},
    {"protocol", CLI_FLAG_CHOICE, AT(protocol), "P", "socketio (default) or websocket (plain messages)", 0, 0,
     protocols},
    {"json", CLI_FLAG_BOOL, AT(json), NULL, "machine-readable output, one JSON value a line", 0, 0, NULL},
    {"log", CLI_FLAG_CHOICE, AT(log), "LEVEL", "error, warn, info (default) or debug, on standard error", 0, 0, levels},
    {"timeout", CLI_FLAG_NUMBER, AT(timeout_ms), "MS",
     "give up this long after the last progress (10000, diagnose 5000; 0: never)", 0, 86400000, NULL},
};
#undef AT
const size_t cli_common_flag_count = sizeof(cli_common_flags) / sizeof(cli_common_flags[0]);

void cli_common_init(struct cli_common *common)
{
    *common = (struct cli_common){
        .protocol = AIVO_PROTOCOL_SOCKETIO, .log = CLI_LOG_INFO, .timeout_ms = CLI_TIMEOUT_NOT_GIVEN};
}

/* Length of the scheme with its "://", or 0. */
static size_t scheme_len(const char *url)
{
    static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0) {
            return strlen(schemes[i]);
        }
    }
    return 0;
}

bool cli_url_check(const char *url, char error[CLI_ERROR_MAX])
{
    char shown[256];
    cli_url_public(url, shown, sizeof(shown));
    size_t scheme = scheme_len(url);
    if (scheme == 0) {
        return cli_fail(error, "URL: '%s' does not begin with http://, https://, ws:// or wss://", shown);
    }
    size_t host = strcspn(url + scheme, "/?#");
    if (memchr(url + scheme, '@', host)) {
        return cli_fail(error, "URL: '%s': user and password do not belong into it (see --token-file)", shown);
    }
    if (host == 0 || url[scheme] == ':') {
        return cli_fail(error, "URL: '%s' names no host", shown);
    }
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c <= 0x20 || *c == 0x7f) {
            return cli_fail(error, "URL: '%s' has a space or control character", shown);
        }
    }
    return true;
}

void cli_url_public(const char *url, char *out, size_t size)
{
    size_t scheme = scheme_len(url);
    size_t authority = scheme + strcspn(url + scheme, "/?#");
    size_t host = scheme;
    for (size_t i = scheme; i < authority; i++) {
        if (url[i] == '@') {
            host = i + 1; /* what stands before the last one is user info */
        }
    }
    size_t end = authority + strcspn(url + authority, "?#");
    snprintf(out, size, "%.*s%.*s", (int)scheme, url, (int)(end - host), url + host);
}

static bool check_file(const char *flag, const char *path, char error[CLI_ERROR_MAX])
{
    if (path && access(path, R_OK) != 0) {
        int why = errno;
        return cli_fail(error, "--%s: %.150s: %s", flag, path, strerror(why));
    }
    return true;
}

static bool check_credentials(const struct cli_common *common, char error[CLI_ERROR_MAX])
{
    int sources = (common->token != NULL) + (common->token_file != NULL) + (common->token_secret != NULL);
    if (sources > 1) {
        return cli_fail(error, "--token, --token-file and --token-secret exclude one another");
    }
    if (common->token_secret && !common->user) {
        return cli_fail(error, "--token-secret needs --user: whom to mint the token for");
    }
    if (common->user && !cli_token_user_valid(common->user)) {
        return cli_fail(error, "--user: '%s' is longer than 256 bytes or no UTF-8", common->user);
    }
    if (common->token && !cli_utf8_valid(common->token, strlen(common->token))) {
        return cli_fail(error, "--token: no UTF-8");
    }
    if (common->token_file) {
        char *token = NULL;
        char why[CLI_ERROR_MAX];
        if (!cli_textfile_read(common->token_file, CLI_TOKEN_FILE_MAX, &token, why)) {
            return cli_fail(error, "--token-file: %s", why);
        }
        free(token);
    }
    if (!common->auth) {
        return true;
    }
    struct cli_json_error at;
    if (!cli_json_check(common->auth, strlen(common->auth), &at)) {
        return cli_fail(error, "--auth: not JSON: %s at byte %zu", at.what, at.byte);
    }
    if (cli_json_first(common->auth, strlen(common->auth)) != '{') {
        return cli_fail(error, "--auth: not a JSON object");
    }
    return true;
}

static bool check_pins(const char *pins, char error[CLI_ERROR_MAX])
{
    static const char prefix[] = "sha256//";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t count = 0;
    for (const char *pin = pins;; pin++) {
        size_t len = strcspn(pin, ";");
        /* 32 bytes in base64: 43 digits and one '=' */
        if (len != sizeof(prefix) - 1 + 44 || memcmp(pin, prefix, sizeof(prefix) - 1) != 0 ||
            strspn(pin + sizeof(prefix) - 1, digits) != 43 || pin[len - 1] != '=') {
            return cli_fail(error, "--pin: '%s' is not sha256// and the base64 of 32 bytes", pins);
        }
        if (++count > PINS_MAX) {
            return cli_fail(error, "--pin: more than %d pins", PINS_MAX);
        }
        pin += len;
        if (*pin == '\0') {
            return true;
        }
    }
}

/* A plain WebSocket has neither a CONNECT packet, whose payload credentials are, nor namespaces. */
static bool check_plain(const struct cli_common *common, char error[CLI_ERROR_MAX])
{
    const struct {
        const char *flag, *value;
    } carried[] = {{"--token", common->token},
                   {"--token-file", common->token_file},
                   {"--token-secret", common->token_secret},
                   {"--user", common->user},
                   {"--auth", common->auth}};
    if (common->protocol != AIVO_PROTOCOL_WEBSOCKET) {
        return true;
    }
    if (common->nsp) {
        return cli_fail(error, "--namespace: a plain WebSocket has no namespaces");
    }
    for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
        if (carried[i].value) {
            return cli_fail(error, "%s: a plain WebSocket has no CONNECT payload that could carry it", carried[i].flag);
        }
    }
    return true;
}

/* Does it begin with a slash, and has it neither more than most bytes nor one of those, nor a control character? */
static bool check_slashed(const char *flag, const char *value, size_t most, const char *forbidden,
                          char error[CLI_ERROR_MAX])
{
    if (!value) {
        return true;
    }
    if (value[0] != '/') {
        return cli_fail(error, "%s: '%s' does not begin with /", flag, value);
    }
    if (strlen(value) > most) {
        return cli_fail(error, "%s: %zu bytes, and %zu is the limit", flag, strlen(value), most);
    }
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || strchr(forbidden, *c)) {
            return cli_fail(error, "%s: '%.300s' has a character that does not belong into one at byte %zu", flag,
                            value, (size_t)(c - value) + 1);
        }
    }
    return true;
}

/* A plain WebSocket's path is its URL's: --path takes its place there. */
static bool put_path(struct cli_common *common, char error[CLI_ERROR_MAX])
{
    if (!common->path || common->protocol != AIVO_PROTOCOL_WEBSOCKET) {
        return true;
    }
    size_t host = scheme_len(common->url);
    host += strcspn(common->url + host, "/?#");
    const char *query = common->url + host + strcspn(common->url + host, "?#");
    int len =
        snprintf(common->with_path, sizeof(common->with_path), "%.*s%s%s", (int)host, common->url, common->path, query);
    return (len > 0 && (size_t)len < sizeof(common->with_path)) ||
           cli_fail(error, "--path: the URL with it is longer than %zu bytes", sizeof(common->with_path) - 1);
}

bool cli_common_check_url(struct cli_common *common, char error[CLI_ERROR_MAX])
{
    common->with_path[0] = '\0';
    return cli_url_check(common->url, error) && put_path(common, error);
}

bool cli_common_check(struct cli_common *common, char error[CLI_ERROR_MAX])
{
    common->timeout_given = common->timeout_ms != CLI_TIMEOUT_NOT_GIVEN;
    if (!common->timeout_given) {
        common->timeout_ms = CLI_TIMEOUT_DEFAULT_MS;
    }
    if (!cli_url_check(common->url, error) || !check_plain(common, error) || !check_credentials(common, error) ||
        !check_slashed("--namespace", common->nsp, NAMESPACE_MAX, ",", error) ||
        !check_slashed("--path", common->path, PATH_MAX_BYTES, " ?#", error)) {
        return false;
    }
    if (!check_file("ca", common->ca, error) || !check_file("cert", common->cert, error) ||
        !check_file("key", common->key, error)) {
        return false;
    }
    if ((common->cert == NULL) != (common->key == NULL)) {
        return cli_fail(error, "%s", common->cert ? "--cert needs --key" : "--key needs --cert");
    }
    if (common->pin && !check_pins(common->pin, error)) {
        return false;
    }
    if (common->proxy && *common->proxy && strncasecmp(common->proxy, "http://", 7) != 0) {
        return cli_fail(error, "--proxy: the proxy's URL must begin with http://");
    }
    return put_path(common, error);
}

bool cli_event_check(const char *event, char error[CLI_ERROR_MAX])
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    size_t len = strlen(event);
    if (len < 1 || len > 256 || !cli_utf8_valid(event, len)) {
        return cli_fail(error, "EVENT: it must be 1 to 256 bytes of UTF-8");
    }
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(event, reserved[i]) == 0) {
            return cli_fail(error, "EVENT: Socket.IO reserves the name '%s'", event);
        }
    }
    return true;
}

char *cli_auth_payload(const struct cli_common *common, const char *token, bool *failed)
{
    *failed = false;
    if (!common->auth && !token && !common->user) {
        return NULL;
    }
    cJSON *payload = common->auth ? cJSON_Parse(common->auth) : cJSON_CreateObject();
    char *text = NULL;
    bool good = payload != NULL;
    if (good && token) {
        cJSON_DeleteItemFromObjectCaseSensitive(payload, "token");
        good = cJSON_AddStringToObject(payload, "token", token) != NULL;
    }
    if (good && common->user) {
        cJSON_DeleteItemFromObjectCaseSensitive(payload, "learnerId");
        good = cJSON_AddStringToObject(payload, "learnerId", common->user) != NULL;
    }
    text = good ? cJSON_PrintUnformatted(payload) : NULL;
    cJSON_Delete(payload);
    *failed = text == NULL;
    return text;
}
