#include "resample.h"

#include <algorithm>
#include <cstring>

#include "resample_axis.h"

namespace penstock {
namespace {

// Bytes that the rows between the two passes may take: half of a small second-level cache.
constexpr size_t kRingBytes = 128 * 1024;
// A turn takes at least so many columns, however many rows one output is made of (at most kMaxImageSide).
constexpr int32_t kFewestColumns = 16;
// What a vector load may touch behind the last pixel.
constexpr size_t kSlack = 32;

int32_t ColumnsFor(size_t rows, size_t bytes_a_column, int32_t width) {
  const size_t fit = std::min<size_t>(kRingBytes / (rows * bytes_a_column), 1 << 16);
  return std::min(width, std::max(kFewestColumns, static_cast<int32_t>(fit)));
}

// Rows between the passes by source row: row y lies in slot y modulo their number until another takes its place.
template <typename T>
class Ring {
 public:
  void Reset(int32_t slots, size_t length) {
    length_ = length;
    held_.assign(static_cast<size_t>(slots), -1);
    rows_.resize(static_cast<size_t>(slots) * length);
  }

  // The slot of row y, filled by `fill` where it holds another.
  template <typename Fill>
  const T* Row(int32_t y, Fill fill) {
    const size_t slot = static_cast<size_t>(y) % held_.size();
    T* row = rows_.data() + slot * length_;
    if (held_[slot] != y) fill(row);
    held_[slot] = y;
    return row;
  }

 private:
  size_t length_ = 0;
  std::vector<int32_t> held_;
  std::vector<T> rows_;
};

// Nothing to resample, or nearest: every pixel is one of the source's.
class PickedRows : public RowSampler {
 public:
  PickedRows(const Side& across, const Side& down, SourceRows* source)
      : across_(across), source_(source), down_(MakeNearestAxis(down)) {
    if (across.source != across.resized) index_ = MakeNearestAxis(across);
  }

  int32_t Columns() const override { return across_.length; }

  void Start(int32_t from, int32_t to) override {
    from_ = from;
    to_ = to;
    held_ = -1;
    if (!index_.empty()) picked_.resize(static_cast<size_t>(to - from) * static_cast<size_t>(source_->channels()));
  }

  const uint8_t* Row(int32_t y) override {
    const int32_t wanted = down_[static_cast<size_t>(y)];
    if (wanted != held_) row_ = index_.empty() ? Whole(wanted) : Picked(wanted);
    held_ = wanted;
    return row_;
  }

 private:
  const uint8_t* Whole(int32_t y) { return source_->Row(y, across_.start + from_, across_.start + to_).data; }

  const uint8_t* Picked(int32_t y) {
    const int32_t first = index_[static_cast<size_t>(from_)];
    const uint8_t* row = source_->Row(y, first, index_[static_cast<size_t>(to_ - 1)] + 1).data;
    const auto channels = static_cast<size_t>(source_->channels());
    uint8_t* out = picked_.data();
    for (int32_t i = from_; i < to_; ++i) {
      const uint8_t* pixel = row + static_cast<size_t>(index_[static_cast<size_t>(i)] - first) * channels;
      for (size_t c = 0; c < channels; ++c) *out++ = pixel[c];
    }
    return picked_.data();
  }

  Side across_;
  SourceRows* source_;
  std::vector<int32_t> down_;
  std::vector<int32_t> index_;
  std::vector<uint8_t> picked_;
  int32_t from_ = 0;
  int32_t to_ = 0;
  int32_t held_ = -1;
  const uint8_t* row_ = nullptr;
};

// Pillow's ImagingResample: fixed-point weights, bytes between the passes. A side that keeps its size has no pass.
class FixedRows : public RowSampler {
 public:
  FixedRows(const Side& across, const Side& down, Filter filter, SourceRows* source, const PixelLanes& lanes)
      : sides_{across, down}, source_(source), lanes_(lanes) {
    if (across.source != across.resized) across_ = MakeFixedAxis(across, filter);
    if (down.source != down.resized) down_ = MakeFixedAxis(down, filter);
    for (const int32_t count : down_.count) most_ = std::max(most_, count);
    rows_.resize(static_cast<size_t>(most_) + 1);
  }

  int32_t Columns() const override {
    return ColumnsFor(static_cast<size_t>(most_), static_cast<size_t>(source_->channels()), sides_[0].length);
  }

  void Start(int32_t from, int32_t to) override {
    from_ = from;
    to_ = to;
    bytes_ = static_cast<size_t>(to - from) * static_cast<size_t>(source_->channels());
    ring_.Reset(most_, bytes_);
    out_.resize(bytes_);
  }

  const uint8_t* Row(int32_t y) override {
    if (down_.count.empty()) return Between(sides_[1].start + y);
    const int32_t first = down_.first[static_cast<size_t>(y)];
    const int32_t count = down_.count[static_cast<size_t>(y)];
    for (int32_t t = 0; t < count; ++t) rows_[static_cast<size_t>(t)] = Between(first + t);
    rows_[static_cast<size_t>(count)] = rows_[0];  // the vector units take two at a time; its weight is zero
    lanes_.down(down_, y, rows_.data(), bytes_, out_.data());
    return out_.data();
  }

 private:
  // Row y of the source after the pass across.
  const uint8_t* Between(int32_t y) {
    const bool whole = across_.count.empty();
    const int32_t start = sides_[0].start;
    if (whole && source_->stays()) return source_->Row(y, start + from_, start + to_).data;
    return ring_.Row(y, [&](uint8_t* row) {
      if (whole) {
        std::memcpy(row, source_->Row(y, start + from_, start + to_).data, bytes_);
        return;
      }
      const int32_t first = across_.first[static_cast<size_t>(from_)];
      const auto last = static_cast<size_t>(to_ - 1);
      const Span span = source_->Row(y, first, across_.first[last] + across_.count[last]);
      lanes_.across[source_->channels() == 3](across_, from_, to_, first, span, row);
    });
  }

  Side sides_[2];
  SourceRows* source_;
  const PixelLanes& lanes_;
  FixedAxis across_;
  FixedAxis down_;
  int32_t most_ = 1;
  int32_t from_ = 0;
  int32_t to_ = 0;
  size_t bytes_ = 0;
  Ring<uint8_t> ring_;
  std::vector<const uint8_t*> rows_;
  std::vector<uint8_t> out_;
};

// torch.nn.functional.interpolate with align_corners false and no antialias, in float32; rounded once, half to even.
class PlainRows : public RowSampler {
 public:
  PlainRows(const Side& across, const Side& down, Filter filter, SourceRows* source)
      : length_(across.length),
        source_(source),
        across_(MakePlainAxis(across, filter)),
        down_(MakePlainAxis(down, filter)) {}

  int32_t Columns() const override {
    const auto channels = static_cast<size_t>(source_->channels());
    return ColumnsFor(static_cast<size_t>(down_.taps), channels * sizeof(float), length_);
  }

  void Start(int32_t from, int32_t to) override {
    from_ = from;
    to_ = to;
    const auto taps = static_cast<size_t>(across_.taps);
    const auto begin = across_.index.begin() + static_cast<ptrdiff_t>(taps * static_cast<size_t>(from));
    const auto end = across_.index.begin() + static_cast<ptrdiff_t>(taps * static_cast<size_t>(to));
    const auto [low, high] = std::minmax_element(begin, end);
    low_ = *low;
    high_ = *high + 1;
    const size_t values = static_cast<size_t>(to - from) * static_cast<size_t>(source_->channels());
    ring_.Reset(down_.taps, values);
    sums_.resize(values);
    out_.resize(values);
  }

  const uint8_t* Row(int32_t y) override {
    const auto taps = static_cast<size_t>(down_.taps);
    for (size_t t = 0; t < taps; ++t) {
      const size_t at = static_cast<size_t>(y) * taps + t;
      const int32_t wanted = down_.index[at];
      const float* row = ring_.Row(wanted, [&](float* values) { Across(wanted, values); });
      const float weight = down_.weight[at];
      if (t == 0) {
        for (size_t i = 0; i < sums_.size(); ++i) sums_[i] = row[i] * weight;
      } else {
        for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += row[i] * weight;
      }
    }
    for (size_t i = 0; i < out_.size(); ++i) out_[i] = RoundToByte(sums_[i]);
    return out_.data();
  }

 private:
  void Across(int32_t y, float* values) {
    const uint8_t* row = source_->Row(y, low_, high_).data;
    if (across_.taps == 2) {
      source_->channels() == 1 ? AcrossTaps<2, 1>(row, values) : AcrossTaps<2, 3>(row, values);
    } else {
      source_->channels() == 1 ? AcrossTaps<4, 1>(row, values) : AcrossTaps<4, 3>(row, values);
    }
  }

  template <size_t kTaps, size_t kChannels>
  void AcrossTaps(const uint8_t* row, float* values) {
    for (size_t i = static_cast<size_t>(from_) * kTaps; i < static_cast<size_t>(to_) * kTaps; i += kTaps) {
      const uint8_t* pixels[kTaps];
      for (size_t t = 0; t < kTaps; ++t) pixels[t] = row + static_cast<size_t>(across_.index[i + t] - low_) * kChannels;
      const float* weights = across_.weight.data() + i;
      for (size_t c = 0; c < kChannels; ++c) {
        float sum = static_cast<float>(pixels[0][c]) * weights[0];
        for (size_t t = 1; t < kTaps; ++t) sum += static_cast<float>(pixels[t][c]) * weights[t];
        *values++ = sum;
      }
    }
  }

  int32_t length_;
  SourceRows* source_;
  PlainAxis across_;
  PlainAxis down_;
  int32_t from_ = 0;
  int32_t to_ = 0;
  int32_t low_ = 0;
  int32_t high_ = 0;
  Ring<float> ring_;
  std::vector<float> sums_;
  std::vector<uint8_t> out_;
};

}  // namespace

SourceRows::SourceRows(const ImageSpec& spec, const uint8_t* pixels, const PixelLanes& lanes)
    : lanes_(lanes),
      pixels_(pixels),
      end_(pixels +
           static_cast<size_t>(spec.width) * static_cast<size_t>(spec.height) * static_cast<size_t>(spec.channels)),
      width_(spec.width),
      stride_(spec.channels),
      channels_(spec.channels < 3 || spec.colour == Colour::kGray ? 1 : 3),
      stays_(channels_ == stride_) {
  if (!stays_) packed_.resize(static_cast<size_t>(width_) * static_cast<size_t>(channels_) + kSlack);
}

Span SourceRows::Row(int32_t y, int32_t from, int32_t to) {
  const size_t pixel = static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(from);
  const uint8_t* start = pixels_ + pixel * static_cast<size_t>(stride_);
  if (stays_) return {start, end_};
  const auto count = static_cast<size_t>(to - from);
  if (channels_ == 3) {
    lanes_.drop_alpha(start, count, packed_.data());
  } else if (stride_ == 2) {
    for (size_t i = 0; i < count; ++i) packed_[i] = start[2 * i];
  } else {
    lanes_.gray[stride_ == 4](start, count, packed_.data());
  }
  return {packed_.data(), packed_.data() + packed_.size()};
}

std::unique_ptr<RowSampler> MakeSampler(const ImageSpec& spec, SourceRows* source, const PixelLanes& lanes) {
  const Side across{spec.width, spec.resized_width, spec.crop_left, spec.crop_width};
  const Side down{spec.height, spec.resized_height, spec.crop_top, spec.crop_height};
  const bool same = across.source == across.resized && down.source == down.resized;
  if (same || spec.filter == Filter::kNearest) return std::make_unique<PickedRows>(across, down, source);
  if (spec.antialias) return std::make_unique<FixedRows>(across, down, spec.filter, source, lanes);
  return std::make_unique<PlainRows>(across, down, spec.filter, source);
}

}  // namespace penstock
