#include "tests/reports/report_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace assay::reports::test {
namespace {

/// What goes through a sink, without being kept.
struct counted_text {
  size_t bytes = 0;
  size_t pieces = 0;
  size_t longest = 0;

  void operator()(std::string_view text) {
    bytes += text.size();
    ++pieces;
    longest = std::max(longest, text.size());
  }
};

/// Makes rows one by one, as pages of a large store would bring them.
counted_text stream(export_format format, uint32_t rows) {
  auto world = make_world(2);
  world.facts.run.spec.tasks.resize(1);
  auto options = options_for(format);
  if (format == export_format::eval_log || format == export_format::lm_eval) {
    options.unit = export_unit{0, 0};
    options.samples_part = format == export_format::lm_eval;
  }
  auto exporter = make_exporter(world.facts, options);
  counted_text counted;
  const text_sink sink = [&](std::string_view text) { counted(text); };
  (*exporter)->begin(sink);
  for (unsigned pass = 0; pass < (*exporter)->passes(); ++pass) {
    auto sample = world.samples.front();
    auto response = world.responses.front();
    for (uint32_t i = 0; i < rows; ++i) {
      sample.address.sample = response.address.sample = i;
      sample.scores[0].value = i % 7 == 0 ? 0.0 : 1.0;
      sample.duration = milliseconds{i % 5000};
      const sample_row row{sample, [&] { return &response; }, [] { return nullptr; }};
      (*exporter)->row(pass, row, sink);
    }
    (*exporter)->end_pass(pass, sink);
  }
  return counted;
}

class streaming : public ::testing::TestWithParam<export_format> {};

TEST_P(streaming, HandsOnEachSampleAtOnce) {
  const auto few = stream(GetParam(), 1'000);
  const auto many = stream(GetParam(), 20'000);
  EXPECT_GE(many.pieces, 20'000U);
  EXPECT_GT(many.bytes, 15 * few.bytes);
  EXPECT_LT(many.longest, size_t{64} << 10) << "no piece grows with the run";
}

INSTANTIATE_TEST_SUITE_P(every_format_of_samples, streaming,
                         ::testing::Values(export_format::json, export_format::jsonl, export_format::csv,
                                           export_format::lm_eval, export_format::eval_log,
                                           export_format::junit, export_format::promptfoo));

TEST(streaming_report, IsAsLargeForManySamplesAsForFew) {
  const auto few = stream(export_format::html, 2'000);
  const auto many = stream(export_format::html, 200'000);
  EXPECT_LT(many.bytes, few.bytes + 20'000);
  EXPECT_LT(many.bytes, 200'000U);
}

} // namespace
} // namespace assay::reports::test
