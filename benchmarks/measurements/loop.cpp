// The training workload of speed.py as plain loops: 2-20-20-1 units, relu, dropout,
// sigmoid, binary cross entropy, Adam, batches of 32. peers.py compiles this file, with
// its FLAGS. Sizes are constants, so that the compiler can unroll and vectorize loops.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace {

constexpr int BATCH = 32, INPUTS = 2, HIDDEN = 20;

// A dense layer. `weights` points to its kernel and bias in the flat weight array.
template <int N, int M>
struct Dense {
    static constexpr int size = N * M + M;

    static void forward(const float* weights, const float (*x)[N], float (*z)[M]) {
        for (int b = 0; b < BATCH; ++b) {
            for (int j = 0; j < M; ++j) z[b][j] = weights[N * M + j];
            for (int i = 0; i < N; ++i)
                for (int j = 0; j < M; ++j) z[b][j] += x[b][i] * weights[i * M + j];
        }
    }

    static void backward(const float (*x)[N], const float (*dz)[M], float* gradient) {
        for (int b = 0; b < BATCH; ++b) {
            for (int i = 0; i < N; ++i)
                for (int j = 0; j < M; ++j) gradient[i * M + j] += x[b][i] * dz[b][j];
            for (int j = 0; j < M; ++j) gradient[N * M + j] += dz[b][j];
        }
    }

    static void to_inputs(const float* weights, const float (*dz)[M], float (*dx)[N]) {
        for (int b = 0; b < BATCH; ++b)
            for (int i = 0; i < N; ++i) {
                float sum = 0;
                for (int j = 0; j < M; ++j) sum += dz[b][j] * weights[i * M + j];
                dx[b][i] = sum;
            }
    }
};

using First = Dense<INPUTS, HIDDEN>;
using Second = Dense<HIDDEN, HIDDEN>;
using Output = Dense<HIDDEN, 1>;
constexpr int SECOND = First::size, OUTPUT = SECOND + Second::size;
constexpr int WEIGHTS = OUTPUT + Output::size;

// A dropout mask from Marsaglia's xorshift, with one generator per column.
struct Mask {
    uint32_t state[HIDDEN];

    explicit Mask(std::mt19937& seeds) {
        for (auto& s : state) s = seeds() | 1;
    }

    void draw(float rate, float (*mask)[HIDDEN]) {
        const uint32_t threshold = rate * 4294967296.0;
        const float scale = 1 / (1 - rate);
        for (int b = 0; b < BATCH; ++b)
            for (int j = 0; j < HIDDEN; ++j) {
                uint32_t s = state[j];
                s ^= s << 13;
                s ^= s >> 17;
                s ^= s << 5;
                state[j] = s;
                mask[b][j] = s >= threshold ? scale : 0;
            }
    }
};

struct Adam {
    float mean[WEIGHTS] = {}, square[WEIGHTS] = {};
    float epsilon;
    int t = 0;

    explicit Adam(float epsilon) : epsilon(epsilon) {}

    void apply(const float* gradient, float* weights) {
        ++t;
        const float rate =
            0.001f * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t));
        for (int i = 0; i < WEIGHTS; ++i) {
            mean[i] += (gradient[i] - mean[i]) * 0.1f;
            square[i] += (gradient[i] * gradient[i] - square[i]) * 0.001f;
            weights[i] -= rate * mean[i] / (std::sqrt(square[i]) + epsilon);
        }
    }
};

void relu(float (*a)[HIDDEN]) {
    for (int b = 0; b < BATCH; ++b)
        for (int j = 0; j < HIDDEN; ++j) a[b][j] = std::max(a[b][j], 0.f);
}

// Backpropagation through relu: `da` becomes 0 where the activation `a` is 0.
void relu_backward(const float (*a)[HIDDEN], float (*da)[HIDDEN]) {
    for (int b = 0; b < BATCH; ++b)
        for (int j = 0; j < HIDDEN; ++j) da[b][j] = a[b][j] > 0 ? da[b][j] : 0;
}

// Make one gradient step; return the mean loss of the batch.
float step(const float (*x)[INPUTS], const float* y, float rate, Mask& generator,
           Adam& adam, float* weights) {
    float a[BATCH][HIDDEN], b[BATCH][HIDDEN], out[BATCH][1], mask[BATCH][HIDDEN];
    float da[BATCH][HIDDEN], db[BATCH][HIDDEN], dout[BATCH][1], gradient[WEIGHTS] = {};
    First::forward(weights, x, a);
    relu(a);
    Second::forward(weights + SECOND, a, b);
    relu(b);
    if (rate > 0) {
        generator.draw(rate, mask);
        for (int r = 0; r < BATCH; ++r)
            for (int j = 0; j < HIDDEN; ++j) b[r][j] *= mask[r][j];
    }
    Output::forward(weights + OUTPUT, b, out);
    float loss = 0;
    for (int r = 0; r < BATCH; ++r) {
        const float z = out[r][0];
        loss += std::max(z, 0.f) - z * y[r] + std::log(1 + std::exp(-std::fabs(z)));
        dout[r][0] = (1 / (1 + std::exp(-z)) - y[r]) / BATCH;
    }
    Output::backward(b, dout, gradient + OUTPUT);
    Output::to_inputs(weights + OUTPUT, dout, db);
    if (rate > 0)
        for (int r = 0; r < BATCH; ++r)
            for (int j = 0; j < HIDDEN; ++j) db[r][j] *= mask[r][j];
    relu_backward(b, db);
    Second::backward(a, db, gradient + SECOND);
    Second::to_inputs(weights + SECOND, db, da);
    relu_backward(a, da);
    First::backward(x, da, gradient);
    adam.apply(gradient, weights);
    return loss / BATCH;
}

}  // namespace

// Train `weights` in place, and write one loss per epoch to `losses`. `n_rows` must be
// a multiple of 32.
extern "C" void train(int n_rows, int n_epochs, const float* X, const float* y,
                      float rate, float epsilon, int shuffle, int seed,
                      float* weights, float* losses) {
    std::mt19937 generator(seed);
    Mask mask(generator);
    Adam adam(epsilon);
    std::vector<int> order(n_rows);
    std::iota(order.begin(), order.end(), 0);
    for (int epoch = 0; epoch < n_epochs; ++epoch) {
        if (shuffle) std::shuffle(order.begin(), order.end(), generator);
        double total = 0;
        for (int start = 0; start < n_rows; start += BATCH) {
            float x[BATCH][INPUTS], label[BATCH];
            for (int r = 0; r < BATCH; ++r) {
                const int row = order[start + r];
                for (int i = 0; i < INPUTS; ++i) x[r][i] = X[row * INPUTS + i];
                label[r] = y[row];
            }
            total += step(x, label, rate, mask, adam, weights);
        }
        losses[epoch] = total * BATCH / n_rows;
    }
}
