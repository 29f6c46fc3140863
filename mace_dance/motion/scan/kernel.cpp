// The selective scan of Mamba on a CPU, forward and backward; what it computes is defined in __init__.py.
//
// Plain C interface, no dependency: it compiles in a few seconds and fits every version of torch. One vector holds
// WIDTH neighbouring channels; the states of a channel are a loop. Everything that is not a sum over time (softplus,
// gate, skip) is done on the way, so that each input is read once and each output written once.
//
// Legend: B samples, D channels, L steps, N states. Arrays over time are (L, B, D) or (L, B, N) with any strides but
// the last, which is 1.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif
constexpr int64_t GROUP = 256;  // channels of one task: their rates and states stay in the first-level cache

typedef float Vector __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t Bits __attribute__((vector_size(4 * WIDTH)));

inline Vector all(float value) { return Vector{} + value; }

// 2^x, within 2e-7 of its value; 0 below 2^-126, infinite from 2^127.5, NaN where x is NaN.
inline Vector power_of_two(Vector x) {
  x = x < -127.f ? all(-127.f) : x;
  x = x > 128.f ? all(128.f) : x;
  const Vector shifted = x + 12582912.f;  // 1.5 * 2^23: the last bits of the sum are those of round(x)
  const Vector f = x - (shifted - 12582912.f);
  Vector p = 0.00132647272f * f + 0.00967151281f;  // minimax on [-1/2, 1/2] with p(0) = 1
  p = p * f + 0.0555073374f;
  p = p * f + 0.240222421f;
  p = p * f + 0.693146978f;
  p = p * f + 1.f;
  return p * (Vector)(((Bits)shifted + 127u) << 23);
}

constexpr float LOG2_E = 1.44269504f;

inline Vector sigmoid(Vector x) { return 1.f / (1.f + power_of_two(x * -LOG2_E)); }

// log(1 + e^x) = max(x, 0) + log(1 + e) with e = e^-|x|, and log(1 + e) = 2 artanh(e / (2 + e)).
inline Vector softplus(Vector x) {
  const Vector e = power_of_two((x > 0.f ? -x : x) * LOG2_E);
  const Vector s = e / (2.f + e);
  const Vector w = s * s;
  Vector p = 0.281783352f * w + 0.27960603f;  // minimax on [0, 1/9]
  p = p * w + 0.400249102f;
  p = p * w + 0.666663147f;
  p = p * w + 2.f;
  return (x < 0.f ? all(0.f) : x) + s * p;
}

inline Vector load(const float* from, int64_t count) {
  Vector to{};
  if (count >= WIDTH)
    std::memcpy(&to, from, sizeof to);
  else
    std::memcpy(&to, from, sizeof(float) * count);
  return to;
}

inline void store(float* to, Vector from, int64_t count) {
  if (count >= WIDTH)
    std::memcpy(to, &from, sizeof from);
  else
    std::memcpy(to, &from, sizeof(float) * count);
}

inline float sum(Vector v) {
  float total = 0;
  for (int lane = 0; lane < WIDTH; ++lane) total += v[lane];
  return total;
}

template <class Task>
void parallel(int64_t tasks, int64_t threads, Task task) {
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i = next++; i < tasks; i = next++) task(i);
  };
  std::vector<std::thread> others;
  try {
    for (int64_t i = 1; i < threads && i < tasks; ++i) others.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads to be had: those that run do it all
  }
  work();
  for (auto& other : others) other.join();
}

}  // namespace

extern "C" {

struct Signal {
  float* data;  // may be null where the text says "or absent"
  int64_t step, sample;

  float* at(int64_t t, int64_t b) const { return data + t * step + b * sample; }
};

struct Scan {
  int64_t length, batch, channels, states;
  int64_t every;  // the state is kept before each step that is a multiple of it
  int64_t softplus, threads;
  Signal delta, u, B, C, gate;  // gate or absent
  const float *rates;           // (N, D)
  const float *skip, *bias;     // (D,) or absent
  Signal y;
  float* last;  // (B, N, D)
  float* kept;  // (ceil(L / every), B, N, D); or absent when going forward
};

struct Gradients {
  Signal y;                     // given
  Signal delta, u, gate;        // gate or absent
  float *B, *C;                 // (groups, L, B, N): to be summed over the groups
  float *rates, *skip, *bias;   // (B, N, D), (B, D), (B, D): to be summed over the samples; the last two or absent
};

int64_t scan_groups(int64_t channels) { return (channels + GROUP - 1) / GROUP; }
}

namespace {

// The channels of one task, as vectors.
struct Channels {
  const Scan& s;
  int64_t b, first, vectors;
  std::vector<Vector> rates, bias, skip;  // rates [vector][state], in powers of two

  Channels(const Scan& scan, int64_t task)
      : s(scan), b(task % scan.batch), first(task / scan.batch * GROUP) {
    const int64_t left = s.channels - first;
    vectors = ((left < GROUP ? left : GROUP) + WIDTH - 1) / WIDTH;
    rates.resize(vectors * s.states);
    bias.resize(vectors);
    skip.resize(vectors);
    for (int64_t v = 0; v < vectors; ++v) {
      for (int64_t n = 0; n < s.states; ++n)
        rates[v * s.states + n] = load(s.rates + n * s.channels + channel(v), count(v)) * LOG2_E;
      if (s.bias) bias[v] = load(s.bias + channel(v), count(v));
      if (s.skip) skip[v] = load(s.skip + channel(v), count(v));
    }
  }

  int64_t channel(int64_t v) const { return first + v * WIDTH; }
  int64_t count(int64_t v) const { return s.channels - channel(v); }
  Vector read(const Signal& signal, int64_t t, int64_t v) const {
    return load(signal.at(t, b) + channel(v), count(v));
  }
  void write(const Signal& signal, int64_t t, int64_t v, Vector value) const {
    store(signal.at(t, b) + channel(v), value, count(v));
  }
  float* kept(int64_t t, int64_t n, int64_t v) const {
    return s.kept + ((t / s.every * s.batch + b) * s.states + n) * s.channels + channel(v);
  }
};

void forward(const Scan& s, int64_t task) {
  const Channels c(s, task);
  std::vector<Vector> states(c.vectors * s.states);
  for (int64_t t = 0; t < s.length; ++t) {
    const float *B = s.B.at(t, c.b), *C = s.C.at(t, c.b);
    for (int64_t v = 0; v < c.vectors; ++v) {
      Vector* h = &states[v * s.states];
      const Vector* rates = &c.rates[v * s.states];
      if (s.kept && t % s.every == 0)
        for (int64_t n = 0; n < s.states; ++n) store(c.kept(t, n, v), h[n], c.count(v));
      const Vector u = c.read(s.u, t, v);
      Vector dt = c.read(s.delta, t, v) + c.bias[v];
      if (s.softplus) dt = softplus(dt);
      const Vector moved = dt * u;
      Vector y = c.skip[v] * u;
      for (int64_t n = 0; n < s.states; ++n) {
        h[n] = power_of_two(dt * rates[n]) * h[n] + moved * B[n];
        y += h[n] * C[n];
      }
      if (s.gate.data) {
        const Vector gate = c.read(s.gate, t, v);
        y *= gate * sigmoid(gate);
      }
      c.write(s.y, t, v, y);
    }
  }
  for (int64_t v = 0; v < c.vectors; ++v)
    for (int64_t n = 0; n < s.states; ++n)
      store(s.last + (c.b * s.states + n) * s.channels + c.channel(v), states[v * s.states + n], c.count(v));
}

void backward(const Scan& s, const Gradients& g, int64_t task) {
  const Channels c(s, task);
  const int64_t N = s.states;
  // later: what the steps after this one contribute, exp(dt_{t+1} A) g_{t+1}.
  std::vector<Vector> later(c.vectors * N), grad_rates(c.vectors * N), grad_skip(c.vectors), grad_bias(c.vectors);
  std::vector<Vector> decay(s.every * N), states((s.every + 1) * N), sum_b(s.every * N), sum_c(s.every * N);
  std::vector<Vector> before(s.every), step(s.every);
  const int64_t group = c.first / GROUP;
  for (int64_t start = (s.length - 1) / s.every * s.every; start >= 0; start -= s.every) {
    const int64_t steps = s.length - start < s.every ? s.length - start : s.every;
    std::fill(sum_b.begin(), sum_b.end(), Vector{});
    std::fill(sum_c.begin(), sum_c.end(), Vector{});
    for (int64_t v = 0; v < c.vectors; ++v) {
      const Vector* rates = &c.rates[v * N];
      for (int64_t n = 0; n < N; ++n) states[n] = load(c.kept(start, n, v), c.count(v));
      for (int64_t i = 0; i < steps; ++i) {
        const float* B = s.B.at(start + i, c.b);
        before[i] = c.read(s.delta, start + i, v) + c.bias[v];
        step[i] = s.softplus ? softplus(before[i]) : before[i];
        const Vector moved = step[i] * c.read(s.u, start + i, v);
        for (int64_t n = 0; n < N; ++n) {
          decay[i * N + n] = power_of_two(step[i] * rates[n]);
          states[(i + 1) * N + n] = decay[i * N + n] * states[i * N + n] + moved * B[n];
        }
      }
      for (int64_t i = steps - 1; i >= 0; --i) {
        const int64_t t = start + i;
        const float *B = s.B.at(t, c.b), *C = s.C.at(t, c.b);
        const Vector u = c.read(s.u, t, v), dt = step[i], moved = dt * u;
        const Vector *h = &states[(i + 1) * N], *h_before = &states[i * N];
        Vector gy = c.read(g.y, t, v);
        if (s.gate.data) {
          Vector y = c.skip[v] * u;
          for (int64_t n = 0; n < N; ++n) y += h[n] * C[n];
          const Vector gate = c.read(s.gate, t, v), open = sigmoid(gate);
          c.write(g.gate, t, v, gy * y * open * (1.f + gate * (1.f - open)));
          gy *= gate * open;
        }
        Vector grad_moved{}, grad_exponents{};
        for (int64_t n = 0; n < N; ++n) {
          Vector& from_later = later[v * N + n];
          const Vector gh = from_later + gy * C[n];
          sum_c[i * N + n] += gy * h[n];
          sum_b[i * N + n] += gh * moved;
          grad_moved += gh * B[n];
          from_later = gh * decay[i * N + n];
          const Vector grad_exponent = from_later * h_before[n];
          grad_exponents += grad_exponent * rates[n];
          grad_rates[v * N + n] += grad_exponent * dt;
        }
        grad_skip[v] += gy * u;
        c.write(g.u, t, v, grad_moved * dt + gy * c.skip[v]);
        Vector grad_delta = grad_moved * u + grad_exponents * (1 / LOG2_E);
        if (s.softplus) grad_delta *= sigmoid(before[i]);
        grad_bias[v] += grad_delta;
        c.write(g.delta, t, v, grad_delta);
      }
    }
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t row = ((group * s.length + start + i) * s.batch + c.b) * N;
      for (int64_t n = 0; n < N; ++n) {
        g.B[row + n] = sum(sum_b[i * N + n]);
        g.C[row + n] = sum(sum_c[i * N + n]);
      }
    }
  }
  for (int64_t v = 0; v < c.vectors; ++v) {
    const int64_t at = c.b * s.channels + c.channel(v);
    for (int64_t n = 0; n < N; ++n)
      store(g.rates + (c.b * N + n) * s.channels + c.channel(v), grad_rates[v * N + n], c.count(v));
    if (g.skip) store(g.skip + at, grad_skip[v], c.count(v));
    if (g.bias) store(g.bias + at, grad_bias[v], c.count(v));
  }
}

}  // namespace

extern "C" {

void scan_forward(const Scan* s) {
  parallel(scan_groups(s->channels) * s->batch, s->threads, [s](int64_t task) { forward(*s, task); });
}

void scan_backward(const Scan* s, const Gradients* g) {
  parallel(scan_groups(s->channels) * s->batch, s->threads, [s, g](int64_t task) { backward(*s, *g, task); });
}
}
