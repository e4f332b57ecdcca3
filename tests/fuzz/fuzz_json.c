/* JSON text: what is accepted can be walked, and is the same when written and read again. Numbers agree with strtod;
 * any bytes at all can be written as a string. */
#include "fuzz.h"
#include "jsongen.h"
#include "socketio.h"
#include <math.h>

static void check_number(const struct aivo_json *value)
{
    double ours = 0, theirs;
    uint64_t whole;
    char *text = malloc(value->len + 1);
    CHECK(text);
    memcpy(text, value->text, value->len);
    text[value->len] = '\0';
    theirs = strtod(text, NULL);
    free(text);
    CHECK(aivo_json_double(value, &ours) == (isfinite(theirs) != 0));
    if (isfinite(theirs))
        CHECK(memcmp(&ours, &theirs, sizeof(ours)) == 0);
    if (aivo_json_u64(value, &whole))
        CHECK((double)whole == theirs && whole <= 9007199254740992u);
}

static void check_value(const struct aivo_json *value)
{
    struct aivo_buf first, second;
    aivo_buf_init(&first);
    aivo_buf_init(&second);
    CHECK(write_canonical(value, &first));
    struct aivo_json again = aivo_json_parse(first.data, first.len, NULL);
    CHECK(again.type == value->type && again.len == first.len);
    CHECK(write_canonical(&again, &second));
    CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    CHECK(aivo_json_count(value) == aivo_json_count(&again));
    CHECK(aivo_sio_count_placeholders(value) == aivo_sio_count_placeholders(&again));
    if (value->type == AIVO_JSON_NUMBER)
        check_number(value);
    aivo_buf_free(&first);
    aivo_buf_free(&second);
}

static void check_string(const char *text, size_t len)
{
    struct aivo_buf json, back;
    aivo_buf_init(&json);
    aivo_buf_init(&back);
    aivo_json_write_string(&json, text, len);
    struct aivo_json value = aivo_json_parse(json.data, json.len, NULL);
    CHECK(value.type == AIVO_JSON_STRING && value.len == json.len);
    CHECK(aivo_json_string(&value, &back));
    if (aivo_utf8_valid(text, len))
        CHECK(back.len == len && (!len || memcmp(back.data, text, len) == 0));
    CHECK(aivo_utf8_valid(back.data, back.len));
    aivo_buf_free(&json);
    aivo_buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t at = size + 1;
    struct aivo_json value = aivo_json_parse(text, size, &at);
    if (value.type == AIVO_JSON_NONE) {
        CHECK(at <= size);
    } else {
        CHECK(at == size + 1 && value.text >= text && value.text + value.len <= text + size);
        CHECK(aivo_utf8_valid(text, size));
        check_value(&value);
    }
    check_string(text, size);
    return 0;
}
