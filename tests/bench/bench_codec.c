/* Nanoseconds of one decode or encode of typical packets: the least of several rounds, which is what the machine can
 * do when nothing else runs on it. */
#include "engineio.h"
#include "socketio.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ROUNDS     15
#define ROUND_NS   20000000.0 /* wanted length of a round */
#define FIRST_RUNS 1000

struct input {
    const char *text;
    size_t len;
    struct aivo_buf out;
};

/* Keeps the compiler from dropping work whose result nobody looks at. */
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double round_ns(void (*run)(struct input *), struct input *in, long runs)
{
    double start = now_ns();
    for (long i = 0; i < runs; i++)
        run(in);
    return now_ns() - start;
}

static void bench(const char *name, void (*run)(struct input *), const char *text, size_t len)
{
    struct input in = {text, len, {0}};
    long runs = (long)(FIRST_RUNS * ROUND_NS / round_ns(run, &in, FIRST_RUNS)) + 1;
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double ns = round_ns(run, &in, runs) / (double)runs;
        if (i == 0 || ns < best)
            best = ns;
    }
    printf("%-44s %7zu bytes %10.1f ns %8.2f GB/s\n", name, len, best, (double)len / best);
    aivo_buf_free(&in.out);
}

static void sio_decode(struct input *in)
{
    struct aivo_sio_packet p = {0};
    sink += (uint64_t)aivo_sio_decode(in->text, in->len, &p) + p.id;
}

static void both_decode(struct input *in)
{
    struct aivo_eio_packet e;
    struct aivo_sio_packet p = {0};
    if (aivo_eio_decode(in->text, in->len, &e) == AIVO_EIO_OK)
        sink += (uint64_t)aivo_sio_decode(e.data, e.len, &p) + p.id;
}

static void sio_decode_action(struct input *in)
{
    struct aivo_sio_packet p;
    char action[32];
    if (aivo_sio_decode(in->text, in->len, &p) != AIVO_SIO_OK)
        return;
    size_t pos = 0;
    struct aivo_json name = aivo_json_next(&p.data, &pos), arg = aivo_json_next(&p.data, &pos);
    struct aivo_json value = aivo_json_get(&arg, "action");
    sink += aivo_json_string_is(&name, "agent:learning") + aivo_json_string_copy(&value, action, sizeof(action));
}

static void ack_encode(struct input *in)
{
    const uint64_t id = 123456;
    aivo_buf_clear(&in->out);
    aivo_buf_char(&in->out, '4');
    aivo_sio_encode_header(&in->out, AIVO_SIO_ACK, 0, NULL, 0, &id);
    aivo_buf_add(&in->out, in->text, in->len);
    sink += in->out.len;
}

static void event_encode(struct input *in)
{
    const uint64_t id = 123456;
    aivo_buf_clear(&in->out);
    aivo_buf_char(&in->out, '4');
    aivo_sio_encode_header(&in->out, AIVO_SIO_EVENT, 0, NULL, 0, &id);
    aivo_sio_encode_event_data(&in->out, "agent:learning", 14, in->text, in->len);
    sink += in->out.len;
}

static void json_parse(struct input *in)
{
    sink += aivo_json_parse(in->text, in->len, NULL).len;
}

static void write_string(struct input *in)
{
    aivo_buf_clear(&in->out);
    aivo_json_write_string(&in->out, in->text, in->len);
    sink += in->out.len;
}

static void utf8_valid(struct input *in)
{
    sink += aivo_utf8_valid(in->text, in->len);
}

static void base64_encode(struct input *in)
{
    aivo_buf_clear(&in->out);
    aivo_base64_encode(&in->out, in->text, in->len);
    sink += in->out.len;
}

static void base64_decode(struct input *in)
{
    aivo_buf_clear(&in->out);
    sink += aivo_base64_decode(&in->out, in->text, in->len);
}

static void bench_text(const char *name, void (*run)(struct input *), const char *text)
{
    bench(name, run, text, strlen(text));
}

/* An array of objects as a chatty server sends it. */
static void large_json(struct aivo_buf *out)
{
    aivo_buf_char(out, '[');
    for (unsigned i = 0; i < 500; i++) {
        aivo_buf_str(out, i ? ",{\"id\":" : "{\"id\":");
        aivo_buf_u64(out, i);
        aivo_buf_str(out, ",\"name\":\"learner number one\",\"score\":0.875,\"tags\":[\"a\",\"b\"],\"ok\":true,"
                          "\"text\":\"the quick brown fox jumps over the lazy dog and goes on for a while\"}");
    }
    aivo_buf_char(out, ']');
}

int main(void)
{
    static const char learning[] = "212[\"agent:learning\",{\"action\":\"get_recommendation\",\"context\":{\"n\":1}}]";
    static const char framed[] = "4212[\"agent:learning\",{\"action\":\"get_recommendation\",\"context\":{\"n\":1}}]";
    static const char ping[] = "23[\"quality_ping\",{\"pingId\":17}]";
    static const char ack[] = "[{\"success\":true,\"recommendation\":{\"next\":\"fractions-2\"}}]";
    struct aivo_buf large;
    aivo_buf_init(&large);
    large_json(&large);

    bench_text("Socket.IO decode: agent:learning", sio_decode, learning);
    bench_text("Engine.IO + Socket.IO decode", both_decode, framed);
    bench_text("decode, event name and action", sio_decode_action, learning);
    bench_text("Socket.IO decode: quality_ping", sio_decode, ping);
    bench_text("Socket.IO decode: ack", sio_decode, "3123456[{\"success\":true}]");
    bench_text("Socket.IO decode: two placeholders", sio_decode,
               "52-[\"e\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    bench_text("ack encode", ack_encode, ack);
    bench_text("event encode", event_encode, "[{\"action\":\"get_recommendation\",\"context\":{\"n\":1}}]");
    bench("JSON parse, large", json_parse, large.data, large.len);
    bench("UTF-8 check, large", utf8_valid, large.data, large.len);
    bench("write a string, large", write_string, large.data, large.len);
    bench("base64 encode, large", base64_encode, large.data, large.len);
    struct aivo_buf text = {0};
    aivo_base64_encode(&text, large.data, large.len);
    bench("base64 decode, large", base64_decode, text.data, text.len);
    aivo_buf_free(&text);
    aivo_buf_free(&large);
    return 0;
}
