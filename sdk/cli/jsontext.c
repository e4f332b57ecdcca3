#include "jsontext.h"
#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

struct scanner {
    const char *text;
    size_t len, at;
    const char *what; /* set where it goes wrong; at then stands there */
};

/* The byte at the scanner, or -1 at the end. */
static int peek(const struct scanner *s)
{
    return s->at < s->len ? (unsigned char)s->text[s->at] : -1;
}

static bool wrong(struct scanner *s, const char *what)
{
    s->what = s->at < s->len ? what : "the text ends too early";
    return false;
}

static void skip_space(struct scanner *s)
{
    while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\r' || peek(s) == '\n') {
        s->at++;
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool digits(struct scanner *s)
{
    if (!is_digit(peek(s))) {
        return wrong(s, "a digit is missing");
    }
    while (is_digit(peek(s))) {
        s->at++;
    }
    return true;
}

static bool number(struct scanner *s)
{
    if (peek(s) == '-') {
        s->at++;
    }
    if (peek(s) == '0') {
        s->at++;
        if (is_digit(peek(s))) {
            return wrong(s, "a number with a leading zero");
        }
    } else if (!digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        s->at++;
        if (!digits(s)) {
            return false;
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-') {
            s->at++;
        }
        return digits(s);
    }
    return true;
}

/* Length of the UTF-8 sequence at text (RFC 3629), or 0. */
static size_t utf8_sequence(const unsigned char *text, size_t len)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high;
        size_t len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (text[0] < forms[i].first_low || text[0] > forms[i].first_high) {
            continue;
        }
        if (forms[i].len > len ||
            (forms[i].len > 1 && (text[1] < forms[i].second_low || text[1] > forms[i].second_high))) {
            return 0;
        }
        for (size_t k = 2; k < forms[i].len; k++) {
            if ((text[k] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[i].len;
    }
    return 0;
}

bool cli_utf8_valid(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t step = utf8_sequence((const unsigned char *)text + at, len - at);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

static bool escape(struct scanner *s)
{
    s->at++;
    int c = peek(s);
    if (c > 0 && strchr("\"\\/bfnrt", c)) {
        s->at++;
        return true;
    }
    if (c != 'u') {
        return wrong(s, "an unknown escape");
    }
    s->at++;
    for (int i = 0; i < 4; i++, s->at++) {
        c = peek(s);
        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F')) {
            return wrong(s, "a hexadecimal digit is missing");
        }
    }
    return true;
}

static bool string(struct scanner *s)
{
    s->at++;
    for (;;) {
        int c = peek(s);
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c < 0x20) {
            return wrong(s, "a control character in a string");
        }
        if (c == '\\') {
            if (!escape(s)) {
                return false;
            }
            continue;
        }
        size_t step = utf8_sequence((const unsigned char *)s->text + s->at, s->len - s->at);
        if (step == 0) {
            return wrong(s, "no UTF-8");
        }
        s->at += step;
    }
}

static bool literal(struct scanner *s, const char *word)
{
    for (; *word; word++, s->at++) {
        if (peek(s) != *word) {
            return wrong(s, "no JSON value");
        }
    }
    return true;
}

/* Everything but arrays and objects. */
static bool scalar(struct scanner *s)
{
    switch (peek(s)) {
    case '"':
        return string(s);
    case 't':
        return literal(s, "true");
    case 'f':
        return literal(s, "false");
    case 'n':
        return literal(s, "null");
    default:
        return peek(s) == '-' || is_digit(peek(s)) ? number(s) : wrong(s, "no JSON value");
    }
}

/* A member's key and colon. */
static bool key(struct scanner *s)
{
    skip_space(s);
    if (peek(s) != '"') {
        return wrong(s, "a member's name is missing");
    }
    if (!string(s)) {
        return false;
    }
    skip_space(s);
    if (peek(s) != ':') {
        return wrong(s, "':' is missing");
    }
    s->at++;
    return true;
}

/* After a value: closes what ends here. false: wrong. *more: another value follows (then a comma was read). */
static bool after_value(struct scanner *s, const char *open, size_t *depth, bool *more)
{
    for (;;) {
        skip_space(s);
        if (*depth == 0) {
            *more = false;
            return true;
        }
        char close = open[*depth - 1] == '[' ? ']' : '}';
        if (peek(s) == ',') {
            s->at++;
            *more = true;
            return close == ']' || key(s);
        }
        if (peek(s) != close) {
            return wrong(s, close == ']' ? "',' or ']' is missing" : "',' or '}' is missing");
        }
        s->at++;
        (*depth)--;
    }
}

static bool value(struct scanner *s)
{
    char open[CLI_JSON_MAX_DEPTH];
    size_t depth = 0;
    for (bool more = true; more;) {
        skip_space(s);
        int c = peek(s);
        if (c == '[' || c == '{') {
            if (depth == CLI_JSON_MAX_DEPTH) {
                return wrong(s, "nested too deep");
            }
            open[depth++] = (char)c;
            s->at++;
            skip_space(s);
            if (peek(s) != (c == '[' ? ']' : '}')) {
                if (c == '{' && !key(s)) {
                    return false;
                }
                continue;
            }
        } else if (!scalar(s)) {
            return false;
        }
        if (!after_value(s, open, &depth, &more)) {
            return false;
        }
    }
    return true;
}

bool cli_json_check(const char *text, size_t len, struct cli_json_error *error)
{
    struct scanner s = {.text = text, .len = len};
    if (value(&s)) {
        skip_space(&s);
        if (s.at == len) {
            return true;
        }
        s.what = "something follows the value";
    }
    *error = (struct cli_json_error){.byte = s.at + 1, .what = s.what};
    return false;
}

char cli_json_first(const char *text, size_t len)
{
    struct scanner s = {.text = text, .len = len};
    skip_space(&s);
    return s.at < len ? text[s.at] : '\0';
}

/* ---- messages ---- */

char *cli_json_line(const char *text, size_t len)
{
    /* At worst every byte is a DEL, which becomes six. */
    char *line = malloc(len * 6 + 1);
    if (!line) {
        return NULL;
    }
    char *out = line;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;
        bool c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f;
        if (c1 || c == 0x7f) {
            static const char hex[] = "0123456789abcdef";
            unsigned char code = c1 ? next : c;
            memcpy(out, "\\u00", 4);
            out[4] = hex[code >> 4];
            out[5] = hex[code & 15];
            out += 6;
            i += c1 ? 1 : 0;
        } else {
            *out++ = c < 0x20 ? ' ' : (char)c; /* in valid JSON only white space between values */
        }
    }
    *out = '\0';
    return line;
}

static cJSON *base64_object(const struct aivo_attachment *attachment)
{
    if (attachment->len > INT32_MAX / 2) {
        return NULL;
    }
    unsigned char *text = malloc((attachment->len + 2) / 3 * 4 + 1);
    if (!text) {
        return NULL;
    }
    EVP_EncodeBlock(text, attachment->data, (int)attachment->len);
    text[(attachment->len + 2) / 3 * 4] = '\0';
    cJSON *object = cJSON_CreateObject();
    bool good = object && cJSON_AddStringToObject(object, "_base64", (const char *)text);
    free(text);
    if (!good) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

/* The attachment that this node stands for, or NULL. */
static const struct aivo_attachment *placeholder(const cJSON *node, const struct aivo_message *message)
{
    const cJSON *num = cJSON_GetObjectItemCaseSensitive(node, "num");
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(node, "_placeholder")) || !cJSON_IsNumber(num) ||
        num->valuedouble < 0 || num->valuedouble >= (double)message->attachment_count) {
        return NULL;
    }
    return &message->attachments[(size_t)num->valuedouble];
}

/* Depth is bounded by cJSON's own limit on parsing (CJSON_NESTING_LIMIT). false: out of memory. */
static bool fill_placeholders(cJSON *node, const struct aivo_message *message)
{
    for (cJSON *child = node->child; child;) {
        cJSON *next = child->next;
        const struct aivo_attachment *attachment = cJSON_IsObject(child) ? placeholder(child, message) : NULL;
        if (attachment) {
            cJSON *object = base64_object(attachment);
            if (!object) {
                return false;
            }
            if (child->string) {
                object->string = strdup(child->string); /* freed with the node, as cJSON uses malloc too */
                if (!object->string) {
                    cJSON_Delete(object);
                    return false;
                }
            }
            cJSON_ReplaceItemViaPointer(node, child, object);
        } else if (!fill_placeholders(child, message)) {
            return false;
        }
        child = next;
    }
    return true;
}

static char *print_line(cJSON *tree)
{
    char *text = tree ? cJSON_PrintUnformatted(tree) : NULL;
    char *line = text ? cli_json_line(text, strlen(text)) : NULL;
    cJSON_free(text);
    cJSON_Delete(tree);
    return line;
}

static char *plain_args(const struct aivo_message *message)
{
    cJSON *array = cJSON_CreateArray();
    cJSON *item = NULL;
    if (message->args) {
        item = cJSON_CreateString(message->args);
    } else if (message->attachment_count > 0) {
        item = base64_object(&message->attachments[0]);
    }
    if (!array || !item || !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        cJSON_Delete(array);
        return NULL;
    }
    return print_line(array);
}

char *cli_message_args(const struct aivo_message *message, bool plain)
{
    if (plain) {
        return plain_args(message);
    }
    if (!message->args) {
        return strdup("[]");
    }
    if (message->attachment_count == 0) {
        return cli_json_line(message->args, message->args_len);
    }
    cJSON *tree = cJSON_ParseWithLength(message->args, message->args_len);
    if (!tree || !fill_placeholders(tree, message)) {
        cJSON_Delete(tree);
        return NULL;
    }
    return print_line(tree);
}

bool cli_answer_is_error(const char *args)
{
    cJSON *tree = args ? cJSON_Parse(args) : NULL;
    const cJSON *first = cJSON_IsArray(tree) ? cJSON_GetArrayItem(tree, 0) : NULL;
    const cJSON *error = cJSON_IsObject(first) ? cJSON_GetObjectItemCaseSensitive(first, "error") : NULL;
    bool is_error = error && !cJSON_IsNull(error) && !cJSON_IsFalse(error) &&
                    !(cJSON_IsString(error) && error->valuestring[0] == '\0');
    cJSON_Delete(tree);
    return is_error;
}
