#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "jsongen.h"
#include "socketio.h"
#include <cmocka.h>

#define NO_ID UINT64_MAX

struct golden {
    const char *text;
    enum aivo_sio_type type;
    unsigned attachments;
    const char *nsp;
    uint64_t id;      /* NO_ID: none */
    const char *data; /* NULL: none */
};

static struct aivo_sio_packet decode_exact(const char *text, char **copy)
{
    struct aivo_sio_packet p;
    size_t len = strlen(text);
    *copy = exact_copy(text, len);
    enum aivo_sio_error error = aivo_sio_decode(*copy, len, &p);
    if (error != AIVO_SIO_OK)
        fail_msg("%s: %s", text, aivo_sio_strerror(error));
    return p;
}

static void check_golden(const struct golden *g, const struct aivo_sio_packet *p)
{
    assert_int_equal(p->type, g->type);
    assert_int_equal(p->attachments, g->attachments);
    assert_int_equal(p->nsp_len, strlen(g->nsp));
    assert_memory_equal(p->nsp, g->nsp, p->nsp_len);
    assert_int_equal(p->has_id, g->id != NO_ID);
    if (p->has_id)
        assert_int_equal(p->id, g->id);
    assert_int_equal(p->data.type != AIVO_JSON_NONE, g->data != NULL);
    if (g->data) {
        assert_int_equal(p->data.len, strlen(g->data));
        assert_memory_equal(p->data.text, g->data, p->data.len);
    }
}

#define SLOT(n) "{\"_placeholder\":true,\"num\":" #n "}"

/* Packets as socket.io-parser 4.2.7 writes them: the fields are what was given to it, and we write the same text. */
static void test_golden(void **state)
{
    (void)state;
    static const struct golden cases[] = {
        {"0", AIVO_SIO_CONNECT, 0, "/", NO_ID, NULL},
        {"0{\"token\":\"123\"}", AIVO_SIO_CONNECT, 0, "/", NO_ID, "{\"token\":\"123\"}"},
        {"0/admin,{\"token\":\"\303\251\\\"\\\\\"}", AIVO_SIO_CONNECT, 0, "/admin", NO_ID,
         "{\"token\":\"\303\251\\\"\\\\\"}"},
        {"0{\"sid\":\"oSO0OpakMV_3jnilAAAA\",\"pid\":\"YHcX2sdAF1z452-HAAAW\"}", AIVO_SIO_CONNECT, 0, "/", NO_ID,
         "{\"sid\":\"oSO0OpakMV_3jnilAAAA\",\"pid\":\"YHcX2sdAF1z452-HAAAW\"}"},
        {"1", AIVO_SIO_DISCONNECT, 0, "/", NO_ID, NULL},
        {"1/custom,", AIVO_SIO_DISCONNECT, 0, "/custom", NO_ID, NULL},
        {"2[\"hello\",1]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[\"hello\",1]"},
        {"2/a/b,456[\"project:delete\",123]", AIVO_SIO_EVENT, 0, "/a/b", 456, "[\"project:delete\",123]"},
        {"20[7,\"seven\"]", AIVO_SIO_EVENT, 0, "/", 0, "[7,\"seven\"]"},
        {"2[-1.5e+300]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[-1.5e+300]"},
        {"29007199254740991[\"e\",null,true,{\"a\":[{}]},\"\342\200\250\\u0001\\n\360\237\230\200\"]", AIVO_SIO_EVENT,
         0, "/", 9007199254740991, "[\"e\",null,true,{\"a\":[{}]},\"\342\200\250\\u0001\\n\360\237\230\200\"]"},
        {"212[\"agent:learning\",{\"action\":\"get_recommendation\",\"context\":{\"a\":1}}]", AIVO_SIO_EVENT, 0, "/",
         12, "[\"agent:learning\",{\"action\":\"get_recommendation\",\"context\":{\"a\":1}}]"},
        {"2[\"e2\",\"Q84cpKT\"]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[\"e2\",\"Q84cpKT\"]"},
        {"2[\"ud\",\"\\ud800\"]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[\"ud\",\"\\ud800\"]"},
        {"31[]", AIVO_SIO_ACK, 0, "/", 1, "[]"},
        {"3/admin,456[null,\"x\"]", AIVO_SIO_ACK, 0, "/admin", 456, "[null,\"x\"]"},
        {"4/nope,{\"message\":\"Invalid namespace\"}", AIVO_SIO_CONNECT_ERROR, 0, "/nope", NO_ID,
         "{\"message\":\"Invalid namespace\"}"},
        {"4{\"message\":\"Not authorized\",\"data\":{\"code\":\"E001\"}}", AIVO_SIO_CONNECT_ERROR, 0, "/", NO_ID,
         "{\"message\":\"Not authorized\",\"data\":{\"code\":\"E001\"}}"},
        {"4\"old\"", AIVO_SIO_CONNECT_ERROR, 0, "/", NO_ID, "\"old\""},
        {"51-[\"baz\"," SLOT(0) "]", AIVO_SIO_BINARY_EVENT, 1, "/", NO_ID, "[\"baz\"," SLOT(0) "]"},
        {"52-/admin,15[\"baz\",{\"b\":" SLOT(0) "},[" SLOT(1) "]]", AIVO_SIO_BINARY_EVENT, 2, "/admin", 15,
         "[\"baz\",{\"b\":" SLOT(0) "},[" SLOT(1) "]]"},
        {"61-/admin,456[" SLOT(0) "]", AIVO_SIO_BINARY_ACK, 1, "/admin", 456, "[" SLOT(0) "]"},
        {"510-[\"ten\"," SLOT(0) "," SLOT(1) "," SLOT(2) "," SLOT(3) "," SLOT(4) "," SLOT(5) "," SLOT(6) "," SLOT(
             7) "," SLOT(8) "," SLOT(9) "]",
         AIVO_SIO_BINARY_EVENT, 10, "/", NO_ID,
         "[\"ten\"," SLOT(0) "," SLOT(1) "," SLOT(2) "," SLOT(3) "," SLOT(4) "," SLOT(5) "," SLOT(6) "," SLOT(
             7) "," SLOT(8) "," SLOT(9) "]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *copy;
        struct aivo_buf out;
        struct aivo_sio_packet p = decode_exact(cases[i].text, &copy);
        check_golden(&cases[i], &p);
        aivo_buf_init(&out);
        aivo_sio_encode(&out, &p);
        assert_string_equal(out.data, cases[i].text);
        aivo_buf_free(&out);
        free(copy);
    }
}

/* Other texts that are accepted, with what we write for them. */
static void test_lenient(void **state)
{
    (void)state;
    static const struct {
        struct golden g;
        const char *ours;
    } cases[] = {
        {{"0/admin?token=1&uid=x,{}", AIVO_SIO_CONNECT, 0, "/admin", NO_ID, "{}"}, "0/admin,{}"},
        {{"0/admin?a=b", AIVO_SIO_CONNECT, 0, "/admin", NO_ID, NULL}, "0/admin,"},
        {{"0/admin", AIVO_SIO_CONNECT, 0, "/admin", NO_ID, NULL}, "0/admin,"},
        {{"2/,[\"a\"]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[\"a\"]"}, "2[\"a\"]"},
        {{"2/?a=b,1[\"a\"]", AIVO_SIO_EVENT, 0, "/", 1, "[\"a\"]"}, "21[\"a\"]"},
        {{"2/\xc3\xa9,[\"a\"]", AIVO_SIO_EVENT, 0, "/\xc3\xa9", NO_ID, "[\"a\"]"}, "2/\xc3\xa9,[\"a\"]"},
        {{"2/12,34[5]", AIVO_SIO_EVENT, 0, "/12", 34, "[5]"}, "2/12,34[5]"},
        {{"2007[\"a\"]", AIVO_SIO_EVENT, 0, "/", 7, "[\"a\"]"}, "27[\"a\"]"},
        {{"29007199254740992[\"a\"]", AIVO_SIO_EVENT, 0, "/", 9007199254740992, "[\"a\"]"}, "29007199254740992[\"a\"]"},
        {{"2 [ \"a\" , 1 ]\n", AIVO_SIO_EVENT, 0, "/", NO_ID, "[ \"a\" , 1 ]"}, "2[ \"a\" , 1 ]"},
        {{"2[\"\"]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[\"\"]"}, "2[\"\"]"},
        {{"2[\"connected\"]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[\"connected\"]"}, "2[\"connected\"]"},
        {{"2[\"a\"," SLOT(0) "]", AIVO_SIO_EVENT, 0, "/", NO_ID, "[\"a\"," SLOT(0) "]"}, "2[\"a\"," SLOT(0) "]"},
        {{"312", AIVO_SIO_ACK, 0, "/", 12, "[]"}, "312[]"},
        {{"4", AIVO_SIO_CONNECT_ERROR, 0, "/", NO_ID, NULL}, "4"},
        {{"501-[\"a\"," SLOT(0) "]", AIVO_SIO_BINARY_EVENT, 1, "/", NO_ID, "[\"a\"," SLOT(0) "]"},
         "51-[\"a\"," SLOT(0) "]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *copy;
        struct aivo_buf out;
        struct aivo_sio_packet p = decode_exact(cases[i].g.text, &copy);
        check_golden(&cases[i].g, &p);
        aivo_buf_init(&out);
        aivo_sio_encode(&out, &p);
        assert_string_equal(out.data, cases[i].ours);
        aivo_buf_free(&out);
        free(copy);
    }
}

static const struct {
    const char *text;
    enum aivo_sio_error error;
} malformed[] = {
    {"", AIVO_SIO_E_EMPTY},
    {"7", AIVO_SIO_E_TYPE},
    {"/", AIVO_SIO_E_TYPE},
    {"a[\"x\"]", AIVO_SIO_E_TYPE},
    {" 2[\"x\"]", AIVO_SIO_E_TYPE},
    {"\xb2", AIVO_SIO_E_TYPE},
    {"5[\"x\"]", AIVO_SIO_E_ATTACHMENTS},
    {"5", AIVO_SIO_E_ATTACHMENTS},
    {"51", AIVO_SIO_E_ATTACHMENTS},
    {"51[\"x\"," SLOT(0) "]", AIVO_SIO_E_ATTACHMENTS},
    {"5-[\"x\"]", AIVO_SIO_E_ATTACHMENTS},
    {"50-[\"x\"]", AIVO_SIO_E_ATTACHMENTS},
    {"5-1-[\"x\"]", AIVO_SIO_E_ATTACHMENTS},
    {"511-[\"x\"]", AIVO_SIO_E_ATTACHMENTS},
    {"518446744073709551617-[\"x\"]", AIVO_SIO_E_ATTACHMENTS},
    {"51.0-[\"x\"]", AIVO_SIO_E_ATTACHMENTS},
    {"60-1[]", AIVO_SIO_E_ATTACHMENTS},
    {"2/a\xff,[\"x\"]", AIVO_SIO_E_NAMESPACE},
    {"2/a?\xff,[\"x\"]", AIVO_SIO_E_NAMESPACE},
    {"2/a\xc3", AIVO_SIO_E_NAMESPACE},
    {"29007199254740993[\"x\"]", AIVO_SIO_E_ACK_ID},
    {"218446744073709551617[\"x\"]", AIVO_SIO_E_ACK_ID},
    {"299999999999999999999999999999999999999999[\"x\"]", AIVO_SIO_E_ACK_ID},
    {"3[]", AIVO_SIO_E_ACK_ID},
    {"3", AIVO_SIO_E_ACK_ID},
    {"3/a,[]", AIVO_SIO_E_ACK_ID},
    {"61-[" SLOT(0) "]", AIVO_SIO_E_ACK_ID},
    {"2-1[\"x\"]", AIVO_SIO_E_JSON},
    {"3-1[]", AIVO_SIO_E_JSON},
    {"2[\"x\"", AIVO_SIO_E_JSON},
    {"2[\"x\"]]", AIVO_SIO_E_JSON},
    {"2[\"x\",]", AIVO_SIO_E_JSON},
    {"2x", AIVO_SIO_E_JSON},
    {"2 ", AIVO_SIO_E_JSON},
    {"2[\"\xff\"]", AIVO_SIO_E_JSON},
    {"0{", AIVO_SIO_E_JSON},
    {"21.5[\"x\"]", AIVO_SIO_E_JSON},
    {"1/a,x", AIVO_SIO_E_JSON},
    {"0[]", AIVO_SIO_E_PAYLOAD},
    {"0\"x\"", AIVO_SIO_E_PAYLOAD},
    {"0null", AIVO_SIO_E_PAYLOAD},
    {"1{}", AIVO_SIO_E_PAYLOAD},
    {"1null", AIVO_SIO_E_PAYLOAD},
    {"2{}", AIVO_SIO_E_PAYLOAD},
    {"2\"x\"", AIVO_SIO_E_PAYLOAD},
    {"31{}", AIVO_SIO_E_PAYLOAD},
    {"31\"x\"", AIVO_SIO_E_PAYLOAD},
    {"4[]", AIVO_SIO_E_PAYLOAD},
    {"4null", AIVO_SIO_E_PAYLOAD},
    {"4true", AIVO_SIO_E_PAYLOAD},
    {"51-{}", AIVO_SIO_E_PAYLOAD},
    {"2", AIVO_SIO_E_EVENT_NAME},
    {"21", AIVO_SIO_E_EVENT_NAME},
    {"2/a,", AIVO_SIO_E_EVENT_NAME},
    {"2[]", AIVO_SIO_E_EVENT_NAME},
    {"2[ ]", AIVO_SIO_E_EVENT_NAME},
    {"2[null]", AIVO_SIO_E_EVENT_NAME},
    {"2[true]", AIVO_SIO_E_EVENT_NAME},
    {"2[[\"x\"]]", AIVO_SIO_E_EVENT_NAME},
    {"2[{}]", AIVO_SIO_E_EVENT_NAME},
    {"51-[" SLOT(0) "]", AIVO_SIO_E_EVENT_NAME},
    {"2[\"connect\"]", AIVO_SIO_E_RESERVED},
    {"2[\"connect_error\",1]", AIVO_SIO_E_RESERVED},
    {"2[\"disconnect\"]", AIVO_SIO_E_RESERVED},
    {"2[\"disconnecting\"]", AIVO_SIO_E_RESERVED},
    {"2[\"newListener\"]", AIVO_SIO_E_RESERVED},
    {"2[\"removeListener\"]", AIVO_SIO_E_RESERVED},
    {"2[\"\\u0063onnect\"]", AIVO_SIO_E_RESERVED},
    {"51-[\"connect\"," SLOT(0) "]", AIVO_SIO_E_RESERVED},
    {"51-[\"x\"]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(1) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(0) "," SLOT(1) "]", AIVO_SIO_E_PLACEHOLDER},
    {"52-[\"x\"," SLOT(0) "]", AIVO_SIO_E_PLACEHOLDER},
    {"52-[\"x\"," SLOT(0) "," SLOT(0) "]", AIVO_SIO_E_PLACEHOLDER},
    {"52-[\"x\"," SLOT(0) "," SLOT(2) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\",{\"_placeholder\":true}]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(-1) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(0.5) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(null) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(false) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT([0]) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(64) "]", AIVO_SIO_E_PLACEHOLDER},
    {"51-[\"x\"," SLOT(4294967296) "]", AIVO_SIO_E_PLACEHOLDER},
};

/* Malformed packets, each with its own error; the output stays as it was. */
static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        struct aivo_sio_packet p = {.id = 4711};
        size_t len = strlen(malformed[i].text);
        char *text = exact_copy(malformed[i].text, len);
        enum aivo_sio_error error = aivo_sio_decode(text, len, &p);
        if (error != malformed[i].error)
            fail_msg("%s: %s", malformed[i].text, aivo_sio_strerror(error));
        assert_int_equal(p.id, 4711);
        free(text);
    }
}

/* Every error has its own text. */
static void test_error_texts(void **state)
{
    (void)state;
    for (int i = 0; i <= AIVO_SIO_E_MEMORY; i++) {
        assert_string_not_equal(aivo_sio_strerror((enum aivo_sio_error)i), "unknown error");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(aivo_sio_strerror((enum aivo_sio_error)i),
                                    aivo_sio_strerror((enum aivo_sio_error)j));
    }
    assert_string_equal(aivo_sio_strerror((enum aivo_sio_error)(AIVO_SIO_E_MEMORY + 1)), "unknown error");
}

/* A namespace may have as many bytes as the bound says, its query not counted; one more is refused. */
static void test_namespace_bound(void **state)
{
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct aivo_buf b;
        struct aivo_sio_packet p;
        aivo_buf_init(&b);
        aivo_buf_str(&b, "2/");
        for (size_t i = 1; i < AIVO_SIO_MAX_NAMESPACE + extra; i++)
            aivo_buf_char(&b, 'n');
        aivo_buf_char(&b, '?');
        for (size_t i = 0; i < 2 * AIVO_SIO_MAX_NAMESPACE; i++)
            aivo_buf_char(&b, 'q');
        aivo_buf_str(&b, ",[1]");
        enum aivo_sio_error error = aivo_sio_decode(b.data, b.len, &p);
        assert_int_equal(error, extra ? AIVO_SIO_E_NAMESPACE : AIVO_SIO_OK);
        if (!extra)
            assert_int_equal(p.nsp_len, AIVO_SIO_MAX_NAMESPACE);
        aivo_buf_free(&b);
    }
}

static void gen_namespace(struct prng *r, struct aivo_buf *out)
{
    aivo_buf_char(out, '/');
    for (size_t n = prng_below(r, 3) ? 0 : prng_below(r, 12); n; n--) {
        uint32_t c = gen_code_point(r);
        if (c != ',' && c != '?')
            gen_utf8(c, out);
    }
}

static uint64_t gen_id(struct prng *r)
{
    return prng_below(r, 4) ? prng_next(r) >> (11 + prng_below(r, 53)) : 9007199254740992u - prng_below(r, 3);
}

/* The data of an event or acknowledgement with this many placeholders, one to an argument, in any order. */
static void gen_data(struct prng *r, bool event, unsigned attachments, struct aivo_buf *out)
{
    struct aivo_buf unused;
    unsigned shift = attachments ? (unsigned)prng_below(r, attachments) : 0;
    aivo_buf_init(&unused);
    aivo_buf_char(out, '[');
    if (event && prng_below(r, 4)) {
        aivo_buf_str(out, "\"e");
        gen_code_point(r);
        aivo_buf_str(out, prng_below(r, 2) ? "\\u00e9\"" : "\xe2\x82\xac\"");
    } else if (event) {
        aivo_buf_str(out, "-12.5e1");
    }
    for (unsigned i = 0, n = attachments + (unsigned)prng_below(r, 3); i < n; i++) {
        if (event || i)
            aivo_buf_char(out, ',');
        if (i < attachments) {
            bool wrap = prng_below(r, 2) != 0;
            aivo_buf_str(out, wrap ? "{\"k\":[{\"num\": " : "{\"_placeholder\" :true,\"num\":");
            aivo_buf_u64(out, (i + shift) % attachments);
            aivo_buf_str(out, wrap ? ",\"_place\\u0068older\":true} ]}" : "}");
        } else {
            gen_value(r, 2, out, &unused);
        }
    }
    aivo_buf_char(out, ']');
    aivo_buf_free(&unused);
}

static void gen_packet(struct prng *r, struct aivo_sio_packet *p, struct aivo_buf *nsp, struct aivo_buf *data)
{
    bool binary = false;
    *p = (struct aivo_sio_packet){.type = (enum aivo_sio_type)prng_below(r, 7)};
    gen_namespace(r, nsp);
    p->nsp = nsp->data;
    p->nsp_len = nsp->len;
    switch (p->type) {
    case AIVO_SIO_CONNECT:
    case AIVO_SIO_CONNECT_ERROR:
        aivo_buf_str(data, prng_below(r, 2) ? "{\"message\":\"no\",\"data\":{}}" : "");
        break;
    case AIVO_SIO_DISCONNECT:
        aivo_buf_str(data, "");
        break;
    case AIVO_SIO_BINARY_EVENT:
    case AIVO_SIO_BINARY_ACK:
        binary = true;
        p->attachments = 1 + (unsigned)prng_below(r, AIVO_SIO_MAX_ATTACHMENTS);
        /* fall through */
    case AIVO_SIO_EVENT:
    case AIVO_SIO_ACK:
        p->has_id = p->type == AIVO_SIO_ACK || p->type == AIVO_SIO_BINARY_ACK || prng_below(r, 2);
        p->id = p->has_id ? gen_id(r) : 0;
        gen_data(r, p->type == AIVO_SIO_EVENT || p->type == AIVO_SIO_BINARY_EVENT, binary ? p->attachments : 0, data);
        break;
    }
    p->data = aivo_json_parse(data->data, data->len, NULL);
}

/* Random packets of every type are the same after encoding and decoding. Every truncation of one is an error or a
 * packet, and never read beyond its end. */
static void test_identity(void **state)
{
    (void)state;
    struct prng r = {17};
    for (int i = 0; i < 6000; i++) {
        struct aivo_buf nsp, data, text;
        struct aivo_sio_packet in, out;
        aivo_buf_init(&nsp);
        aivo_buf_init(&data);
        aivo_buf_init(&text);
        gen_packet(&r, &in, &nsp, &data);
        aivo_sio_encode(&text, &in);
        char *exact = exact_copy(text.data, text.len);
        enum aivo_sio_error error = aivo_sio_decode(exact, text.len, &out);
        if (error != AIVO_SIO_OK)
            fail_msg("%s: %s", text.data, aivo_sio_strerror(error));
        assert_int_equal(out.type, in.type);
        assert_int_equal(out.attachments, in.attachments);
        assert_int_equal(out.nsp_len, in.nsp_len);
        assert_memory_equal(out.nsp, in.nsp, in.nsp_len);
        assert_int_equal(out.has_id, in.has_id);
        assert_int_equal(out.id, in.id);
        assert_int_equal(out.data.type, in.data.type);
        assert_int_equal(out.data.len, in.data.len);
        if (in.data.len)
            assert_memory_equal(out.data.text, in.data.text, in.data.len);
        free(exact);
        for (size_t len = 0; i % 10 == 0 && len < text.len; len++) {
            exact = exact_copy(text.data, len);
            error = aivo_sio_decode(exact, len, &out);
            if (in.type == AIVO_SIO_EVENT || in.type == AIVO_SIO_BINARY_EVENT)
                assert_int_not_equal(error, AIVO_SIO_OK);
            free(exact);
        }
        aivo_buf_free(&nsp);
        aivo_buf_free(&data);
        aivo_buf_free(&text);
    }
}

/* Damaged packets: an error, or a packet that is the same after a further round. */
static void test_damage(void **state)
{
    (void)state;
    struct prng r = {23};
    size_t accepted = 0;
    for (int i = 0; i < 8000; i++) {
        struct aivo_buf nsp, data, text, again, last;
        struct aivo_sio_packet p;
        aivo_buf_init(&nsp);
        aivo_buf_init(&data);
        aivo_buf_init(&text);
        aivo_buf_init(&again);
        aivo_buf_init(&last);
        gen_packet(&r, &p, &nsp, &data);
        aivo_sio_encode(&text, &p);
        for (size_t n = 1 + prng_below(&r, 3); n; n--)
            text.data[prng_below(&r, prng_below(&r, 2) ? text.len : 1 + text.len / 4)] =
                "0123456789-,/?[]{}\":te\xc3\x80"[prng_below(&r, 24)];
        char *exact = exact_copy(text.data, text.len);
        if (aivo_sio_decode(exact, text.len, &p) == AIVO_SIO_OK) {
            accepted++;
            aivo_sio_encode(&again, &p);
            assert_int_equal(aivo_sio_decode(again.data, again.len, &p), AIVO_SIO_OK);
            aivo_sio_encode(&last, &p);
            assert_string_equal(last.data, again.data);
        }
        free(exact);
        aivo_buf_free(&nsp);
        aivo_buf_free(&data);
        aivo_buf_free(&text);
        aivo_buf_free(&again);
        aivo_buf_free(&last);
    }
    assert_true(accepted > 500 && accepted < 7500);
}

/* A header has its parts in the protocol's order; the root namespace is left out in every form. */
static void test_encode_header(void **state)
{
    (void)state;
    struct aivo_buf b;
    uint64_t id = 9007199254740992, zero = 0;
    aivo_buf_init(&b);
    aivo_sio_encode_header(&b, AIVO_SIO_EVENT, 0, NULL, 0, NULL);
    aivo_buf_char(&b, ' ');
    aivo_sio_encode_header(&b, AIVO_SIO_EVENT, 0, "/", 1, &zero);
    aivo_buf_char(&b, ' ');
    aivo_sio_encode_header(&b, AIVO_SIO_BINARY_ACK, 10, "/admin?", 6, &id);
    aivo_buf_char(&b, ' ');
    aivo_sio_encode_header(&b, AIVO_SIO_CONNECT, 0, "/x", 2, NULL);
    assert_string_equal(b.data, "2 20 610-/admin,9007199254740992 0/x,");
    aivo_buf_free(&b);
}

/* The arguments' array is opened for the name; white space and brackets in it make no difference. */
static void test_event_data(void **state)
{
    (void)state;
    static const struct {
        const char *event, *args, *data;
    } cases[] = {
        {"hello", NULL, "[\"hello\"]"},
        {"hello", "[]", "[\"hello\"]"},
        {"hello", " [ \n] ", "[\"hello\"]"},
        {"hello", "[1]", "[\"hello\",1]"},
        {"hello", "[\"]\",[2],{\"a\":[]}]", "[\"hello\",\"]\",[2],{\"a\":[]}]"},
        {"hello", "\t[ [] ]\r\n", "[\"hello\",[] ]"},
        {"a\"\\\n\xc3\xa9", "[0]", "[\"a\\\"\\\\\\n\xc3\xa9\",0]"},
        {"", "[null]", "[\"\",null]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aivo_buf b;
        size_t len = cases[i].args ? strlen(cases[i].args) : 0;
        char *args = cases[i].args ? exact_copy(cases[i].args, len) : NULL;
        aivo_buf_init(&b);
        aivo_sio_encode_event_data(&b, cases[i].event, strlen(cases[i].event), args, len);
        assert_string_equal(b.data, cases[i].data);
        assert_int_equal(aivo_json_parse(b.data, b.len, NULL).type, AIVO_JSON_ARRAY);
        aivo_buf_free(&b);
        free(args);
    }
}

/* Exactly the six reserved names are reserved. */
static void test_reserved(void **state)
{
    (void)state;
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        size_t len = strlen(reserved[i]);
        assert_true(aivo_sio_event_reserved(reserved[i], len));
        assert_false(aivo_sio_event_reserved(reserved[i], len - 1));
        assert_false(aivo_sio_event_reserved("listener_connect", len));
    }
    static const char *const free_names[] = {"", "error", "message", "Connect", "connection", "newlistener"};
    for (size_t i = 0; i < sizeof(free_names) / sizeof(free_names[0]); i++)
        assert_false(aivo_sio_event_reserved(free_names[i], strlen(free_names[i])));
}

/* Placeholders are counted wherever they stand, whatever else the value holds. */
static void test_placeholders(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int count;
    } cases[] = {
        {"1", 0},
        {"null", 0},
        {"\"{\\\"_placeholder\\\":true,\\\"num\\\":0}\"", 0},
        {"[]", 0},
        {SLOT(0), 1},
        {"{ \"num\" : 9 , \"_placeholder\" : true }", 1},
        {"[" SLOT(3) ",{\"a\":{\"b\":[1," SLOT(0) ",\"}\"]},\"c\":" SLOT(1) "}]", 3},
        {"{\"_placeholder\":false,\"num\":77}", 0},
        {"{\"_placeholder\":\"true\"}", 0},
        {"{\"_placeholder\":{\"x\":true}}", 0},
        {"{\"_placeholder\":[true]}", 0},
        {"[\"_placeholder\",true]", 0},
        {"{\"a\":\"_placeholder\",\"b\":true}", 0},
        {"{\"_placeholder\":true,\"_placeholder\":false}", 0},
        {"{\"_placeholder\":true,\"num\":77,\"num\":1}", 1},
        {"{\"_placeholder\":true,\"num\":1,\"num\":77}", -1},
        {"{\"\\u005fplaceholder\":true,\"n\\u0075m\":1e0}", 1},
        {"{\"_placeholder\":true,\"num\":2,\"x\":" SLOT(1) "}", 2},
        {"{\"_placeholder\":true,\"num\":1,\"x\":{\"num\":5}}", 1},
        {"{\"_placeholder\":true,\"x\":{\"num\":5}}", -1},
        {"{\"_placeholder\":true}", -1},
        {SLOT(10), -1},
        {SLOT(-1), -1},
        {SLOT(true), -1},
        {"[" SLOT(1) "," SLOT(1) "]", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].json);
        char *json = exact_copy(cases[i].json, len);
        struct aivo_json value = aivo_json_parse(json, len, NULL);
        assert_int_not_equal(value.type, AIVO_JSON_NONE);
        if (aivo_sio_count_placeholders(&value) != cases[i].count)
            fail_msg("%s: %d", cases[i].json, aivo_sio_count_placeholders(&value));
        free(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_lenient),         cmocka_unit_test(test_errors),
        cmocka_unit_test(test_error_texts), cmocka_unit_test(test_namespace_bound), cmocka_unit_test(test_identity),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_encode_header),   cmocka_unit_test(test_event_data),
        cmocka_unit_test(test_reserved),    cmocka_unit_test(test_placeholders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
