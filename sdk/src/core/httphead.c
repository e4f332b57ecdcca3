#include "httphead.h"

#include "errtext.h"
#include <string.h>

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool same(const char *a, size_t a_len, const char *b)
{
    size_t i = 0;
    for (; i < a_len; i++)
        if (!b[i] || lower(a[i]) != lower(b[i]))
            return false;
    return !b[i];
}

static void trim(const char **text, size_t *len)
{
    while (*len && (**text == ' ' || **text == '\t'))
        (*text)++, (*len)--;
    while (*len && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
        (*len)--;
}

/* The next line of text (up to "\n", a "\r" before it left out). */
static bool next_line(const char **text, size_t *left, const char **line, size_t *len)
{
    if (*left == 0)
        return false;
    const char *end = memchr(*text, '\n', *left);
    size_t n = end ? (size_t)(end - *text) : *left;
    *line = *text;
    *len = n > 0 && (*text)[n - 1] == '\r' ? n - 1 : n;
    *text += end ? n + 1 : n;
    *left -= end ? n + 1 : n;
    return true;
}

/* Splits "Name: value"; false if it is no such line. */
static bool split_field(const char *line, size_t len, size_t *name_len, const char **value, size_t *value_len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return false;
    *name_len = (size_t)(colon - line);
    for (size_t i = 0; i < *name_len; i++)
        if (!is_token_char(line[i]))
            return false;
    *value = colon + 1;
    *value_len = len - *name_len - 1;
    trim(value, value_len);
    return true;
}

static enum aivo_status refuse(struct aivo_error *err, const char *a, const char *b, const char *c)
{
    return aivo_error_join(err, AIVO_E_INVALID, 0, a, b, c, (char *)NULL);
}

static enum aivo_status check_header(const char *line, size_t len, struct aivo_error *err)
{
    static const char *const ours[] = {"connection",
                                       "upgrade",
                                       "sec-websocket-key",
                                       "sec-websocket-version",
                                       "sec-websocket-protocol",
                                       "sec-websocket-extensions",
                                       "content-length",
                                       "transfer-encoding"};
    const char *value;
    size_t name_len, value_len;
    if (!split_field(line, len, &name_len, &value, &value_len))
        return refuse(err, "a request header is not of the form \"Name: value\"", "", "");
    for (size_t i = 0; i < value_len; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            return refuse(err, "a request header's value has a control byte", "", "");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (same(line, name_len, ours[i]))
            return refuse(err, "the request header \"", ours[i], "\" is not the caller's to set");
    return AIVO_OK;
}

enum aivo_status aivo_upgrade_check(const char *path, const char *subprotocol, const char *headers,
                                    struct aivo_error *err)
{
    if (path[0] != '/')
        return refuse(err, "the path does not begin with '/'", "", "");
    for (const char *p = path; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return refuse(err, "the path has a space, a control byte or a byte beyond ASCII", "", "");
    for (const char *p = subprotocol ? subprotocol : "-"; *p; p++)
        if (!is_token_char(*p))
            return refuse(err, "the subprotocol is not a token", "", "");
    if (subprotocol && !*subprotocol)
        return refuse(err, "the subprotocol is empty", "", "");
    const char *line;
    size_t left = headers ? strlen(headers) : 0, len;
    while (next_line(&headers, &left, &line, &len))
        if (len > 0 && check_header(line, len, err) != AIVO_OK)
            return AIVO_E_INVALID;
    return AIVO_OK;
}

void aivo_host_port(struct aivo_buf *out, const char *host, uint16_t port)
{
    bool ipv6 = strchr(host, ':') != NULL;
    if (ipv6)
        aivo_buf_char(out, '[');
    aivo_buf_str(out, host);
    if (ipv6)
        aivo_buf_char(out, ']');
    aivo_buf_char(out, ':');
    aivo_buf_u64(out, port);
}

static bool has_header(const char *headers, const char *name)
{
    const char *line, *value;
    size_t left = headers ? strlen(headers) : 0, len, name_len, value_len;
    while (next_line(&headers, &left, &line, &len))
        if (split_field(line, len, &name_len, &value, &value_len) && same(line, name_len, name))
            return true;
    return false;
}

void aivo_upgrade_write(struct aivo_buf *out, const struct aivo_upgrade_request *request)
{
    aivo_buf_str(out, "GET ");
    aivo_buf_str(out, request->path);
    aivo_buf_str(out, " HTTP/1.1\r\n");
    if (!has_header(request->headers, "host")) {
        size_t from = out->len;
        aivo_buf_str(out, "Host: ");
        aivo_host_port(out, request->host, request->port);
        if (!out->failed && request->port == (request->tls ? 443 : 80)) {
            while (out->len > from && out->data[out->len - 1] != ':')
                out->len--; /* the scheme's own port is left out */
            out->len--;
        }
        aivo_buf_str(out, "\r\n");
    }
    aivo_buf_str(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    aivo_buf_str(out, request->key);
    aivo_buf_str(out, "\r\n");
    if (request->subprotocol) {
        aivo_buf_str(out, "Sec-WebSocket-Protocol: ");
        aivo_buf_str(out, request->subprotocol);
        aivo_buf_str(out, "\r\n");
    }
    if (!has_header(request->headers, "user-agent"))
        aivo_buf_str(out, "User-Agent: libaivo\r\n");
    const char *headers = request->headers, *line;
    size_t left = headers ? strlen(headers) : 0, len;
    while (next_line(&headers, &left, &line, &len)) {
        if (len == 0)
            continue;
        aivo_buf_add(out, line, len);
        aivo_buf_str(out, "\r\n");
    }
    aivo_buf_str(out, "\r\n");
}

void aivo_connect_write(struct aivo_buf *out, const char *host, uint16_t port, const char *authorization)
{
    aivo_buf_str(out, "CONNECT ");
    aivo_host_port(out, host, port);
    aivo_buf_str(out, " HTTP/1.1\r\nHost: ");
    aivo_host_port(out, host, port);
    aivo_buf_str(out, "\r\nUser-Agent: libaivo\r\n");
    if (authorization) {
        aivo_buf_str(out, "Proxy-Authorization: Basic ");
        aivo_buf_str(out, authorization);
        aivo_buf_str(out, "\r\n");
    }
    aivo_buf_str(out, "\r\n");
}

/* "HTTP/1.x NNN reason" */
static bool status_line(const char *line, size_t len, struct aivo_http_head *head)
{
    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
        return false;
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
        status = status * 10 + (line[i] - '0');
    }
    if (status < 100 || status > 599 || (len > 12 && line[12] != ' '))
        return false;
    head->status = status;
    head->reason = line + 12;
    head->reason_len = len - 12;
    trim(&head->reason, &head->reason_len);
    return true;
}

enum aivo_http_found aivo_http_parse(const char *data, size_t len, struct aivo_http_head *head)
{
    static const char begin[] = "HTTP/1.";
    size_t given = len < sizeof begin - 1 ? len : sizeof begin - 1;
    if (memcmp(data, begin, given) != 0)
        return AIVO_HTTP_INVALID;
    const char *rest = data, *line;
    size_t left = len, line_len, fields_at = 0;
    struct aivo_http_head found = {0};
    while (memchr(rest, '\n', left) && next_line(&rest, &left, &line, &line_len)) {
        size_t at = (size_t)(line - data);
        if (at == 0) {
            if (!status_line(line, line_len, &found))
                return AIVO_HTTP_INVALID;
            fields_at = len - left;
        } else if (line_len == 0) {
            found.fields = data + fields_at;
            found.fields_len = at - fields_at;
            found.total = len - left;
            if (found.total > AIVO_HTTP_HEAD_MAX)
                return AIVO_HTTP_INVALID;
            *head = found;
            return AIVO_HTTP_HEAD;
        }
        if (left == 0)
            break;
    }
    return len >= AIVO_HTTP_HEAD_MAX ? AIVO_HTTP_INVALID : AIVO_HTTP_MORE;
}

/* Walks the fields of one name. */
static const char *field_after(const struct aivo_http_head *head, const char *after, const char *name, size_t *len)
{
    const char *rest = after ? after : head->fields, *line, *value;
    size_t left = head->fields_len - (size_t)(rest - head->fields), line_len, name_len, value_len;
    while (next_line(&rest, &left, &line, &line_len))
        if (split_field(line, line_len, &name_len, &value, &value_len) && same(line, name_len, name)) {
            *len = value_len;
            return value;
        }
    return NULL;
}

const char *aivo_http_field(const struct aivo_http_head *head, const char *name, size_t *len)
{
    return field_after(head, NULL, name, len);
}

static bool list_has(const char *value, size_t len, const char *token)
{
    while (len > 0) {
        const char *comma = memchr(value, ',', len);
        size_t n = comma ? (size_t)(comma - value) : len, item_len = n;
        const char *item = value;
        trim(&item, &item_len);
        if (same(item, item_len, token))
            return true;
        value += comma ? n + 1 : n;
        len -= comma ? n + 1 : n;
    }
    return false;
}

bool aivo_http_has_token(const struct aivo_http_head *head, const char *name, const char *token)
{
    size_t len;
    for (const char *value = NULL; (value = field_after(head, value, name, &len)) != NULL; value += len)
        if (list_has(value, len, token))
            return true;
    return false;
}

static const char *status_hint(int status)
{
    if (status >= 300 && status < 400)
        return "; use the URL it points to";
    switch (status) {
    case 400:
        return "; is the path that of a WebSocket server?";
    case 401:
    case 403:
        return "; it refuses these credentials, this origin or this address";
    case 404:
        return "; check the URL's path";
    case 426:
        return "; it wants another protocol version";
    case 429:
        return "; too many connections, try later";
    case 502:
    case 503:
    case 504:
        return "; the server behind it is down or overloaded";
    default:
        return status == 200 ? "; there is no WebSocket server at this path" : "";
    }
}

static enum aivo_status refused(const struct aivo_http_head *head, struct aivo_error *err)
{
    char number[24], reason[64] = "", where[100] = "";
    size_t len = head->reason_len < sizeof reason - 1 ? head->reason_len : sizeof reason - 1;
    memcpy(reason, head->reason, len);
    const char *location = head->status >= 300 && head->status < 400 ? aivo_http_field(head, "location", &len) : NULL;
    if (location) { /* without query and fragment, which may hold credentials */
        memcpy(where, location, len < sizeof where - 1 ? len : sizeof where - 1);
        where[strcspn(where, "?#")] = '\0';
    }
    return aivo_error_join(err, AIVO_E_HTTP, head->status, "the server answered ", aivo_decimal(number, head->status),
                           *reason ? " " : "", reason, " to the WebSocket upgrade", *where ? ", pointing to " : "",
                           where, status_hint(head->status), (char *)NULL);
}

enum aivo_status aivo_upgrade_judge(const struct aivo_http_head *head, const char *accept, const char *subprotocol,
                                    struct aivo_error *err)
{
    if (head->status != 101)
        return refused(head, err);
    const char *wrong = NULL, *value;
    size_t len;
    if (!aivo_http_has_token(head, "upgrade", "websocket"))
        wrong = "it does not upgrade to \"websocket\"";
    else if (!aivo_http_has_token(head, "connection", "upgrade"))
        wrong = "its Connection header does not say \"Upgrade\"";
    else if (!(value = aivo_http_field(head, "sec-websocket-accept", &len)) || len != strlen(accept) ||
             memcmp(value, accept, len) != 0)
        wrong = "its Sec-WebSocket-Accept does not belong to our key";
    else if ((value = aivo_http_field(head, "sec-websocket-extensions", &len)) && len > 0)
        wrong = "it turns on an extension that was not asked for";
    else if ((value = aivo_http_field(head, "sec-websocket-protocol", &len)) &&
             (!subprotocol || len != strlen(subprotocol) || memcmp(value, subprotocol, len) != 0))
        wrong = "it chooses a subprotocol that was not asked for";
    if (!wrong)
        return AIVO_OK;
    return aivo_error_join(err, AIVO_E_PROTOCOL, 0, "the server's answer to the WebSocket upgrade is wrong: ", wrong,
                           (char *)NULL);
}
