#include "agents_internal.h"
#include "engineio.h"
#include <math.h>
#include <string.h>

/*
 * Judges a recording by what can be measured in it: length, loudness, how much of it is voice, clipping, and the beats
 * (peaks of energy, about one a syllable) against the syllables of the text that was to be said. It recognises no words
 * and does not pretend to.
 *
 * The audio is 16-bit little-endian PCM, mono, or a WAV file of it (then with its own rate and channels).
 */
enum {
    FRAME_MS = 20,
    MAX_TEXT = 512,
    DEFAULT_RATE = 16000,
    MIN_RATE = 8000,
    MAX_RATE = 192000,
    MIN_AUDIO_MS = 100,
};

struct pcm {
    const unsigned char *data;
    size_t samples; /* per channel */
    unsigned rate, channels;
};

struct features {
    double duration_ms;
    double rms, peak;   /* 0..1 of full scale */
    double level_db;    /* dBFS, -96 at least */
    double voiced;      /* share of frames above the threshold */
    double clipped;     /* share of samples at full scale */
    double crossings_s; /* zero crossings a second */
    unsigned beats;
};

/* ---- the audio's bytes ---- */

/* A binary attachment, or base64, perhaps as a data: URL. NULL with *why if there is none. */
static const char *find_audio(struct srv_agent_call *call, size_t *len, const char **why)
{
    struct aivo_json audio = aivo_json_get(&call->arg, "audioBuffer");
    struct aivo_buf *scratch = &call->reply->scratch;
    *why = "audioBuffer must be base64 or binary";
    if (audio.type == AIVO_JSON_OBJECT) {
        struct aivo_json mark = aivo_json_get(&audio, "_placeholder"), num = aivo_json_get(&audio, "num");
        uint64_t index;
        if (!aivo_json_is_true(&mark) || !aivo_json_u64(&num, &index) || index >= call->attachment_count)
            return NULL;
        *len = call->attachments[index].len;
        return *len == 0 ? "" : call->attachments[index].data;
    }
    if (audio.type != AIVO_JSON_STRING)
        return NULL;
    const char *text = audio.text + 1;
    size_t text_len = audio.len - 2;
    if (memchr(text, '\\', text_len) != NULL) {
        /* The bytes go behind the unescaped text in the same buffer: reserved first, so that the text does not move. */
        if (!aivo_json_string(&audio, scratch) || !aivo_buf_reserve(scratch, scratch->len + 8))
            return NULL;
        text = scratch->data;
        text_len = scratch->len;
    }
    if (text_len > 5 && memcmp(text, "data:", 5) == 0) {
        const char *comma = memchr(text, ',', text_len);
        if (comma == NULL)
            return NULL;
        text_len -= (size_t)(comma + 1 - text);
        text = comma + 1;
    }
    size_t at = scratch->len;
    if (!aivo_base64_decode(scratch, text, text_len) || scratch->failed)
        return NULL;
    *len = scratch->len - at;
    return scratch->data + at;
}

static unsigned u16_at(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static uint32_t u32_at(const unsigned char *p)
{
    return (uint32_t)u16_at(p) | (uint32_t)u16_at(p + 2) << 16;
}

/* A WAV file: finds fmt and data. false with *why where it is one that is not understood. */
static bool open_wav(const unsigned char *bytes, size_t len, struct pcm *out, const char **why)
{
    bool have_format = false;
    size_t at = 12;
    while (len - at >= 8) {
        const unsigned char *chunk = bytes + at;
        size_t size = u32_at(chunk + 4), room = len - at - 8;
        if (memcmp(chunk, "fmt ", 4) == 0 && size >= 16 && room >= 16) {
            out->channels = u16_at(chunk + 10);
            out->rate = u32_at(chunk + 12);
            have_format = u16_at(chunk + 8) == 1 && u16_at(chunk + 22) == 16;
        } else if (memcmp(chunk, "data", 4) == 0 && have_format && out->channels >= 1 && out->channels <= 8) {
            out->data = chunk + 8;
            out->samples = (size < room ? size : room) / (2 * (size_t)out->channels);
            return true;
        }
        if (size >= room)
            break;
        at += 8 + size + (size & 1);
        if (at > len)
            break;
    }
    *why = "the WAV file must be 16-bit PCM of 1 to 8 channels";
    return false;
}

static bool open_audio(struct srv_agent_call *call, struct pcm *out, const char **why)
{
    size_t len = 0;
    const unsigned char *bytes = (const unsigned char *)find_audio(call, &len, why);
    struct aivo_json rate = aivo_json_get(&call->arg, "sampleRate");
    double hertz = DEFAULT_RATE;
    if (bytes == NULL)
        return false;
    if (rate.type != AIVO_JSON_NONE && rate.type != AIVO_JSON_NULL && !aivo_json_double(&rate, &hertz))
        hertz = 0;
    *why = "sampleRate must be a number of 8000 to 192000";
    if (!(hertz >= MIN_RATE && hertz <= MAX_RATE))
        return false;
    *out = (struct pcm){bytes, len / 2, (unsigned)hertz, 1};
    if (len >= 44 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WAVE", 4) == 0) {
        if (!open_wav(bytes, len, out, why))
            return false;
        *why = "sampleRate must be a number of 8000 to 192000";
        if (out->rate < MIN_RATE || out->rate > MAX_RATE)
            return false;
    }
    return true;
}

/* ---- what is in it ---- */

/* The first channel's sample i, -32768..32767. */
static int sample_at(const struct pcm *pcm, size_t i)
{
    return (int16_t)u16_at(pcm->data + i * 2 * pcm->channels);
}

/* Root mean square of a run of samples, 0..1 of full scale. The sum cannot overflow: 2^30 samples of 2^30 at most. */
static double rms_of(const struct pcm *pcm, size_t from, size_t count)
{
    uint64_t energy = 0;
    for (size_t i = from; i < from + count; i++) {
        int s = sample_at(pcm, i);
        energy += (uint64_t)((int64_t)s * s);
    }
    return count > 0 ? sqrt((double)energy / (double)count) / 32768 : 0;
}

/* A beat begins where a frame is loud after one that was not. */
static void count_frames(const struct pcm *pcm, double threshold, struct features *f)
{
    size_t frame = (size_t)pcm->rate * FRAME_MS / 1000, frames = pcm->samples / frame, voiced = 0;
    bool loud = false;
    for (size_t i = 0; i < frames; i++) {
        double rms = rms_of(pcm, i * frame, frame);
        voiced += rms >= threshold;
        if (!loud && rms >= threshold)
            f->beats++;
        /* Half the threshold ends a beat: a voice that trembles about it is one. */
        loud = rms >= threshold || (loud && rms >= threshold / 2);
    }
    f->voiced = frames > 0 ? (double)voiced / (double)frames : 0;
}

static void measure(const struct pcm *pcm, struct features *f)
{
    size_t crossings = 0, clipped = 0;
    int low = 0, high = 0, before = 0;
    memset(f, 0, sizeof *f);
    f->duration_ms = (double)pcm->samples * 1000 / pcm->rate;
    f->level_db = -96;
    if (pcm->samples == 0)
        return;
    for (size_t i = 0; i < pcm->samples; i++) {
        int s = sample_at(pcm, i);
        low = s < low ? s : low;
        high = s > high ? s : high;
        clipped += s == 32767 || s <= -32767;
        crossings += i > 0 && (s < 0) != (before < 0);
        before = s;
    }
    f->peak = (high > -low ? high : -low) / 32768.0;
    f->rms = rms_of(pcm, 0, pcm->samples);
    f->clipped = (double)clipped / (double)pcm->samples;
    f->crossings_s = (double)crossings * 1000 / f->duration_ms;
    if (f->rms > 0)
        f->level_db = fmax(-96, 20 * log10(f->rms));
    count_frames(pcm, fmax(0.6 * f->rms, 0.005), f);
}

/* Groups of vowels, about one a syllable; at least one a word of letters. */
static unsigned syllables(const char *text, size_t len)
{
    unsigned count = 0, in_word = 0;
    bool vowel = false, word = false;
    for (size_t i = 0; i <= len; i++) {
        char c = i < len ? text[i] : ' ';
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
        bool is_vowel = c != '\0' && strchr("aeiouyAEIOUY", c) != NULL;
        if (is_vowel && !vowel)
            in_word++;
        vowel = is_vowel;
        if (!is_letter && word) {
            count += in_word > 0 ? in_word : 1;
            in_word = 0;
        }
        word = is_letter;
    }
    return count;
}

/* ---- the judgement ---- */

/* 1 inside low..high, falling to 0 at a distance of slack from it. */
static double within(double value, double low, double high, double slack)
{
    double off = value < low ? low - value : value > high ? value - high : 0;
    return fmax(0, 1 - off / slack);
}

struct scores {
    double loudness, clarity, pace, beats, total; /* 0..100 */
};

/* Syllables a second that suit the age: about 2.5 at four years, 4.5 grown up. */
static double fair_pace(double age)
{
    return fmin(4.5, 2.5 + fmax(0, age - 4) * 0.15);
}

static void judge(const struct features *f, unsigned target, double age, struct scores *s)
{
    double voiced_s = fmax(0.1, f->duration_ms / 1000 * f->voiced), pace = fair_pace(age);
    unsigned said = target > 0 ? target : f->beats;
    s->loudness = 100 * within(f->level_db, -35, -10, 15);
    s->clarity = 100 * within(f->voiced, 0.25, 0.9, 0.25) * fmax(0, 1 - f->clipped * 20);
    s->pace = 100 * within(said / voiced_s, 0.5 * pace, 2 * pace, 2 * pace);
    s->beats = target == 0 ? (f->beats > 0 ? 100 : 0) : 100 * within(f->beats, target * 0.5, target * 1.5, target);
    s->total = 0.25 * s->loudness + 0.25 * s->clarity + 0.25 * s->pace + 0.25 * s->beats;
    if (f->duration_ms < MIN_AUDIO_MS || f->beats == 0)
        s->total = 0; /* nothing was said, however well that went */
}

static const char *feedback(const struct features *f, const struct scores *s)
{
    if (f->duration_ms < MIN_AUDIO_MS)
        return "The recording is too short. Hold the button while you speak.";
    if (f->beats == 0)
        return "Nothing can be heard. Is the microphone on?";
    if (f->clipped > 0.01)
        return "A little too loud: move back from the microphone.";
    if (s->loudness < 50)
        return "Very quiet: come closer and speak up.";
    if (s->pace < 50)
        return "Take your time, and say it at an even pace.";
    if (s->beats < 50)
        return "Some of it is missing. Say the whole text.";
    return s->total >= 80 ? "Very well spoken!" : "Good. Once more, a little clearer.";
}

static void put_features(struct aivo_buf *out, const struct features *f)
{
    srv_put(out, "\"features\":{");
    srv_put_fixed(out, "levelDb", f->level_db);
    srv_put(out, ",");
    srv_put_fixed(out, "peak", f->peak);
    srv_put(out, ",");
    srv_put_fixed(out, "voicedRatio", f->voiced);
    srv_put(out, ",");
    srv_put_fixed(out, "clippedRatio", f->clipped);
    srv_put(out, ",");
    srv_put_fixed(out, "zeroCrossingsPerSecond", f->crossings_s);
    srv_put(out, ",");
    srv_put_u64(out, "beats", f->beats);
    srv_put(out, "}");
}

static void put_scores(struct aivo_buf *out, const struct scores *s)
{
    srv_put_fixed(out, "score", s->total);
    srv_put(out, ",\"scores\":{");
    srv_put_fixed(out, "loudness", s->loudness);
    srv_put(out, ",");
    srv_put_fixed(out, "clarity", s->clarity);
    srv_put(out, ",");
    srv_put_fixed(out, "pace", s->pace);
    srv_put(out, ",");
    srv_put_fixed(out, "completeness", s->beats);
    srv_put(out, "},");
}

static void answer(struct srv_agent_call *call, const struct pcm *pcm)
{
    struct aivo_buf *ack = &call->reply->ack, *scratch = &call->reply->scratch;
    struct aivo_json target = aivo_json_get(&call->arg, "targetText"), type = aivo_json_get(&call->arg, "taskType");
    struct aivo_json age_value = aivo_json_get(&call->arg, "childAge");
    struct features f;
    struct scores s;
    double age;
    measure(pcm, &f); /* before scratch, where the audio may lie, is used again */
    unsigned rate = pcm->rate;
    if (!aivo_json_double(&age_value, &age) || !(age >= 1 && age <= 120))
        age = 8;
    aivo_buf_clear(scratch);
    srv_agent_text_of(&target, MAX_TEXT, scratch);
    size_t target_len = scratch->failed ? 0 : scratch->len;
    judge(&f, target_len > 0 ? syllables(scratch->data, target_len) : 0, age, &s);
    const char *words = feedback(&f, &s);
    srv_put(ack, "[{\"success\":true,\"result\":{");
    put_scores(ack, &s);
    srv_put_text(ack, "feedback", words, strlen(words));
    srv_put(ack, ",");
    srv_put_fixed(ack, "durationMs", f.duration_ms);
    srv_put(ack, ",");
    srv_put_u64(ack, "sampleRate", rate);
    srv_put(ack, ",");
    put_features(ack, &f);
    if (target_len > 0) {
        srv_put(ack, ",");
        srv_put_text(ack, "targetText", scratch->data, target_len);
    }
    aivo_buf_clear(scratch);
    if (type.type == AIVO_JSON_STRING && srv_agent_text_of(&type, 64, scratch)) {
        srv_put(ack, ",");
        srv_put_text(ack, "taskType", scratch->data, scratch->len);
    }
    srv_put(ack, "}}]");
}

void srv_agent_speech(struct srv_agent_call *call)
{
    const char *why = "audioBuffer must be base64 or binary";
    struct pcm pcm;
    if (call->arg.type != AIVO_JSON_OBJECT || !open_audio(call, &pcm, &why)) {
        srv_agent_fail(call, SRV_ERROR_AGENT_ERROR, why);
        return;
    }
    call->session->speech_tasks++;
    answer(call, &pcm);
}
