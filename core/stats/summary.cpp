#include "core/stats/summary.hpp"

namespace assay::stats {

std::string_view to_string(interval_method method) noexcept {
  switch (method) {
  case interval_method::none:
    return "none";
  case interval_method::student_t:
    return "student_t";
  case interval_method::wilson:
    return "wilson";
  }
  return "none";
}

void score_accumulator::add(double value) noexcept {
  values_.add(value);
  ones_ += value == 1 ? 1 : 0;
  zeros_ += value == 0 ? 1 : 0;
}

void score_accumulator::merge(const score_accumulator& other) noexcept {
  values_.merge(other.values_);
  ones_ += other.ones_;
  zeros_ += other.zeros_;
}

summary score_accumulator::finish() const noexcept {
  summary out;
  out.count = values_.count();
  out.mean = values_.mean();
  out.standard_deviation = values_.standard_deviation();
  out.standard_error = values_.standard_error();
  out.minimum = values_.minimum();
  out.maximum = values_.maximum();
  out.confidence = {out.mean, out.mean};
  if (out.count > 0 && ones_ + zeros_ == out.count) {
    out.method = interval_method::wilson;
    out.confidence = wilson_interval(ones_, out.count);
  } else if (out.count > 1) {
    out.method = interval_method::student_t;
    out.confidence = t_interval(out.mean, out.standard_error, out.count);
  }
  return out;
}

summary summarise(std::span<const double> values) noexcept {
  score_accumulator all;
  for (const double value : values)
    all.add(value);
  return all.finish();
}

} // namespace assay::stats
