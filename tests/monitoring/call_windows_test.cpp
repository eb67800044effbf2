#include "core/monitoring/bucket_key.hpp"
#include "core/monitoring/call_windows.hpp"
#include "tests/monitoring/support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::monitoring {
namespace {

using namespace test;

uint64_t calls(const call_windows& windows, window_span span, wall_time now) {
  return windows.summary(span, now).samples;
}

TEST(call_windows, EachWindowForgetsACallWhenItIsOver) {
  call_windows windows;
  windows.add(noon, answered(1s));
  const auto seen = [&](seconds later) {
    std::vector<uint64_t> out;
    for (const auto span : all_spans)
      out.push_back(calls(windows, span, noon + later));
    return out;
  };
  EXPECT_EQ(seen(0s), (std::vector<uint64_t>{1, 1, 1, 1}));
  EXPECT_EQ(seen(59s), (std::vector<uint64_t>{1, 1, 1, 1}));
  EXPECT_EQ(seen(60s), (std::vector<uint64_t>{0, 1, 1, 1}));
  EXPECT_EQ(seen(300s), (std::vector<uint64_t>{0, 0, 1, 1}));
  EXPECT_EQ(seen(3600s), (std::vector<uint64_t>{0, 0, 0, 1}));
  EXPECT_EQ(seen(86400s), (std::vector<uint64_t>{0, 0, 0, 0}));
}

TEST(call_windows, PercentilesErrorsTokensAndCostAreThoseOfTheWindow) {
  call_windows windows;
  for (int i = 1; i <= 100; ++i)
    windows.add(noon, answered(i * 10ms, 0.001));
  windows.add(noon, failed(errc::rate_limited));
  windows.add(noon, failed(errc::rate_limited));
  windows.add(noon - 2min, failed(errc::provider_timeout, 30s));
  const auto minute = windows.summary(window_span::minute, noon + 1s);
  EXPECT_EQ(minute.samples, 102u);
  EXPECT_EQ(minute.length, 60s);
  EXPECT_NEAR(std::chrono::duration<double>(minute.p50).count(), 0.51, 0.02);
  EXPECT_NEAR(std::chrono::duration<double>(minute.p95).count(), 0.97, 0.02);
  EXPECT_EQ(minute.errors, (std::map<std::string, uint64_t>{{"rate_limited", 2}}));
  EXPECT_EQ(minute.prompt_tokens, 1000u);
  EXPECT_EQ(minute.completion_tokens, 500u);
  EXPECT_NEAR(to_dollars(minute.cost), 0.1, 1e-9);
  EXPECT_NEAR(minute.dollars_per_hour(), 6.0, 1e-6);
  EXPECT_NEAR(*minute.success_rate(), 100.0 / 102, 1e-9);
  const auto five = windows.summary(window_span::five_minutes, noon + 1s);
  EXPECT_EQ(five.samples, 103u);
  EXPECT_EQ(five.errors.at("provider_timeout"), 1u);
}

TEST(call_windows, WhatTheCallerDidWrongIsNoFailureOfTheModel) {
  call_windows windows;
  windows.add(noon, answered(1s));
  windows.add(noon, failed(errc::provider_rejected));
  windows.add(noon, failed(errc::request_over_budget));
  windows.add(noon, failed(errc::provider_unavailable));
  const auto minute = windows.summary(window_span::minute, noon + 1s);
  EXPECT_EQ(minute.samples, 4u);
  EXPECT_EQ(minute.failures, 1u);
  EXPECT_EQ(minute.errors.at("provider_rejected"), 1u) << "it is told all the same";
}

TEST(call_windows, AnswersFromBatchesCountButDoNotBlurTheTimes) {
  call_windows windows;
  windows.add(noon, answered(100ms, 0.02));
  auto from_batch = answered(0ms, 0.01);
  from_batch.batched = true;
  windows.add(noon, from_batch);
  const auto seen = windows.summary(window_span::hour, noon);
  EXPECT_EQ(seen.samples, 2u);
  EXPECT_EQ(seen.measured, 1u);
  EXPECT_EQ(seen.prompt_tokens, 20u);
  EXPECT_NEAR(to_dollars(seen.cost), 0.03, 1e-9);
  EXPECT_EQ(seen.mean, 100ms);
  const auto stored = tally_from_text(to_text(windows.tally(window_span::hour, noon)));
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(summarise(*stored, 3600s), seen);
}

TEST(call_windows, WithoutTimesMeansAreUnknown) {
  call_tally tally;
  auto from_batch = answered(0ms);
  from_batch.batched = true;
  tally.add(from_batch);
  const auto shown = window_json(summarise(tally, 60s));
  EXPECT_EQ(shown["samples"], 1);
  EXPECT_TRUE(shown["response_time_avg"].is_null());
  EXPECT_TRUE(shown["response_time_p95"].is_null());
  EXPECT_EQ(shown["success_rate"], 1.0);
  EXPECT_TRUE(tally_from_text(to_text(tally)).has_value());
}

TEST(call_windows, WithoutCallsRatesAreUnknown) {
  const call_windows windows;
  const auto seen = windows.summary(window_span::hour, noon);
  EXPECT_EQ(seen.samples, 0u);
  EXPECT_FALSE(seen.success_rate());
  EXPECT_FALSE(seen.quality);
  EXPECT_FALSE(seen.cost_efficiency);
}

TEST(call_windows, TheDocumentsCallCosts1700QualityPointsADollar) {
  call_windows windows;
  auto call = answered(3500ms, 0.05);
  call.quality = 0.85;
  windows.add(noon, call);
  EXPECT_NEAR(*windows.summary(window_span::minute, noon).cost_efficiency, 1700, 1e-6);
  auto other = answered(1s, 0.1);
  other.quality = 0.8;
  call_windows alone;
  alone.add(noon, other);
  EXPECT_NEAR(*alone.summary(window_span::minute, noon).cost_efficiency, 800, 1e-6);
}

TEST(call_windows, AVerdictThatComesLaterCountsOnlyItsQuality) {
  call_windows windows;
  windows.add(noon, answered(1s));
  windows.add_quality(noon + 1s, 0.5, std::nullopt);
  const auto seen = windows.summary(window_span::minute, noon + 1s);
  EXPECT_EQ(seen.samples, 1u);
  EXPECT_EQ(seen.judged, 1u);
  EXPECT_DOUBLE_EQ(*seen.quality, 0.5);
  EXPECT_FALSE(seen.cost_efficiency) << "its cost is not known";
}

TEST(call_windows, TheBreakdownIsTheMeanOfTheCallsThatHaveOne) {
  call_windows windows;
  auto first = answered(1s);
  first.timing = call_timing{100ms, 0ms, 0ms, 800ms, 200ms, 2ms};
  auto second = answered(1s);
  second.timing = call_timing{300ms, 0ms, 0ms, 600ms, 400ms, 4ms};
  windows.add(noon, first);
  windows.add(noon, second);
  windows.add(noon, answered(1s));
  const auto seen = windows.summary(window_span::minute, noon);
  EXPECT_EQ(seen.timed, 2u);
  EXPECT_EQ(seen.phases, (call_timing{200ms, 0ms, 0ms, 700ms, 300ms, 3ms}));
}

TEST(call_windows, CallsOfLongAgoTakeNoMemory) {
  call_windows windows;
  windows.add(noon, answered(1s));
  windows.add(noon - 25h, answered(1s));
  EXPECT_EQ(calls(windows, window_span::day, noon), 1u);
  for (int i = 0; i < 10'000; ++i)
    windows.add(noon + i * 60s, answered(1s));
  EXPECT_EQ(calls(windows, window_span::day, noon), 0u) << "its bucket has gone";
  EXPECT_LE(windows.take_unsaved(noon + 10'000 * 60s).size(), 61u + 97u);
}

TEST(call_windows, AClockThatIsSetBackDoesNotStopTheCounting) {
  call_windows windows;
  windows.add(noon + 48h, answered(1s));
  windows.add(noon, answered(1s));
  EXPECT_EQ(calls(windows, window_span::day, noon), 0u) << "too old beside a bucket of the future";
  windows.drop_after(noon);
  windows.add(noon, answered(1s));
  EXPECT_EQ(calls(windows, window_span::minute, noon), 1u);
  EXPECT_EQ(calls(windows, window_span::day, noon), 1u);
}

// -- the store ---------------------------------------------------------------------------------------------

TEST(call_windows, ChangedMinutesAreStoredAtOnceAndQuartersWhenTheyAreOver) {
  call_windows windows;
  windows.add(noon, answered(1s));
  EXPECT_EQ(windows.take_unsaved(noon + 1s).size(), 1u);
  EXPECT_TRUE(windows.take_unsaved(noon + 2s).empty()) << "nothing has changed";
  windows.add(noon + 5s, answered(1s));
  auto again = windows.take_unsaved(noon + 6s);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_FALSE(again[0].quarter);
  windows.mark_unsaved(again);
  EXPECT_EQ(windows.take_unsaved(noon + 7s), again);
  const auto quarter = windows.take_unsaved(noon + 15min);
  ASSERT_EQ(quarter.size(), 1u);
  EXPECT_TRUE(quarter[0].quarter);
  EXPECT_EQ(windows.find(quarter[0])->calls, 2u);
}

/// Writes what is unsaved, as the monitor does.
void write(call_windows& windows, std::map<bucket_name, std::string>& disk, wall_time now) {
  for (const auto& name : windows.take_unsaved(now))
    disk[name] = to_text(*windows.find(name));
}

call_windows read(const std::map<bucket_name, std::string>& disk) {
  call_windows out;
  for (const bool quarters : {true, false})
    for (const auto& [name, text] : disk)
      if (name.quarter == quarters)
        out.restore(name, *tally_from_text(text));
  return out;
}

TEST(call_windows, ARestartAtAnyMomentKeepsEveryCallOnce) {
  call_windows windows;
  std::map<bucket_name, std::string> disk;
  for (int minute = 0; minute < 40; ++minute) {
    const auto now = noon + minute * 60s;
    for (int i = 0; i <= minute; ++i)
      windows.add(now, answered(i * 10ms));
    write(windows, disk, now + 5s);
    const auto after = read(disk);
    for (const auto span : {window_span::hour, window_span::day})
      EXPECT_EQ(after.summary(span, now + 10s), windows.summary(span, now + 10s)) << minute;
  }
}

TEST(call_windows, AQuarterThatEndedWhileNothingRanIsStoredAfterTheRestart) {
  call_windows windows;
  std::map<bucket_name, std::string> disk;
  windows.add(noon, answered(1s));
  write(windows, disk, noon + 1s);
  auto after = read(disk);
  write(after, disk, noon + 2h);
  EXPECT_TRUE(disk.contains({true, noon.time_since_epoch() / 15min}));
  EXPECT_EQ(read(disk).summary(window_span::day, noon + 2h).samples, 1u);
}

TEST(call_tally, ComesBackFromItsText) {
  auto call = answered(123456us, 0.02);
  call.quality = 0.7;
  call.tries = 3;
  call.external = true;
  call.timing = call_timing{1us, 2us, 3us, 4us, 5us, 6us};
  call_tally tally;
  tally.add(call);
  tally.add(failed(errc::content_filtered, 9min));
  const auto back = tally_from_text(to_text(tally));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(to_text(*back), to_text(tally));
  EXPECT_EQ(summarise(*back, 60s), summarise(tally, 60s));
}

TEST(call_tally, DamagedTextsAreRefused) {
  const auto good = to_text(tally_of(3, 1s, 1));
  for (const auto* bad : {"", "null", "[]", "{}", R"({"calls":"x"})"})
    EXPECT_FALSE(tally_from_text(bad)) << bad;
  for (size_t cut = 1; cut < good.size(); cut += 7)
    EXPECT_FALSE(tally_from_text(good.substr(0, cut)));
  auto huge = good;
  huge.replace(huge.find("\"buckets\":[["), 12, "\"buckets\":[[4000000000,1],[");
  EXPECT_FALSE(tally_from_text(huge)) << "no bucket has that number, and no memory is taken for it";
}

TEST(bucket_key, ComesBackAndOrdersByTime) {
  const bucket_key key{{true, 1'893'456}, provider_id{"a/b%"}, model_id{"org/model:free"}};
  EXPECT_EQ(bucket_key_from_string(to_string(key)), key);
  const bucket_key minute{{false, 28'401'840}, provider_id{""}, model_id{""}};
  EXPECT_EQ(bucket_key_from_string(to_string(minute)), minute);
  EXPECT_LT(to_string(bucket_key{{true, 9}, {}, {}}), to_string(bucket_key{{true, 10}, {}, {}}));
  EXPECT_LE(key_from(true, noon), to_string(bucket_key{{true, noon.time_since_epoch() / 15min}, {}, {}}));
  for (const auto* bad : {"", "x", "q/", "q/12/a/b", "q/0000000900", "q/0000000900/a", "z/0000000900/a/b"})
    EXPECT_FALSE(bucket_key_from_string(bad)) << bad;
}

} // namespace
} // namespace assay::monitoring
