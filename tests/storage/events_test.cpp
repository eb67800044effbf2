#include "tests/storage/support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::storage {
namespace {

using namespace testing;

/// What replay shows of a run: "<data>" for an event of its life, "#<sample>" for a sample.
std::vector<std::string> replay(snapshot& view, run_id run, uint64_t after, size_t limit) {
  std::vector<std::string> seen;
  for (bool more = true; more;) {
    const auto page = view.page_events(run, after, limit).value();
    for (const auto& one : page.events) {
      EXPECT_EQ(one.seq, ++after);
      if (const auto* life = std::get_if<event>(&one.what)) {
        EXPECT_EQ(life->seq, one.seq);
        EXPECT_EQ(life->run, run);
        seen.push_back(life->data.str());
      } else {
        seen.push_back("#" + std::to_string(std::get<sample_record>(one.what).address.sample));
      }
    }
    EXPECT_EQ(page.last_seq, after);
    more = page.more;
  }
  return seen;
}

/// Three commits of mixed content; returns what replay must show.
std::vector<std::string> write_history(test_farm& farm, run_id run) {
  write_batch start;
  start.events = {event_of(run, "started")};
  EXPECT_FALSE(farm.write(std::move(start)).error);
  write_batch middle;
  middle.samples = {sample_of(run, 3), sample_of(run, 1), sample_of(run, 9, sample_status::answered),
                    sample_of(run, 2, sample_status::failed)};
  middle.events = {event_of(run, "paused"), event_of(run, "resumed")};
  EXPECT_FALSE(farm.write(std::move(middle)).error);
  write_batch end;
  end.samples = {sample_of(run, 9), sample_of(run, 4)};
  end.events = {event_of(run, "completed")};
  EXPECT_FALSE(farm.write(std::move(end)).error);
  return {"started", "#3", "#1", "#2", "paused", "resumed", "#9", "#4", "completed"};
}

TEST(events, AreNumberedFromOneWithoutGapsInOrderOfCommit) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto expected = write_history(farm, first_run);
  auto view = farm.look();
  EXPECT_EQ(replay(view, first_run, 0, 1000), expected);
  EXPECT_EQ(view.last_seq(first_run).value(), expected.size());
}

TEST(events, ReplayFromAnyNumberWithAnyPageSize) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto expected = write_history(farm, first_run);
  // Neighbours whose rows lie next to it.
  write_history(farm, run_id{first_run.value - 1});
  write_history(farm, run_id{first_run.value + 1});
  auto view = farm.look();
  for (size_t after = 0; after <= expected.size() + 1; ++after)
    for (size_t limit = 1; limit <= expected.size() + 1; ++limit) {
      const auto from = expected.begin() + static_cast<ptrdiff_t>(std::min(after, expected.size()));
      EXPECT_EQ(replay(view, first_run, after, limit), std::vector<std::string>(from, expected.end()))
          << after << " " << limit;
    }
}

TEST(events, GiveTheNumbersBackWithTheReport) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.samples = {sample_of(first_run, 0)};
  batch.events = {event_of(first_run, "a"), event_of(second_run, "b"), event_of(first_run, "c")};
  const auto report = farm.write(std::move(batch));
  ASSERT_EQ(report.events.size(), 3U);
  EXPECT_EQ(report.events[0].seq, 2U);
  EXPECT_EQ(report.events[1].seq, 1U);
  EXPECT_EQ(report.events[2].seq, 3U);
  EXPECT_EQ(report.events[2].data.view(), "c");
}

TEST(events, GoOnAfterARestart) {
  const temp_folder temp;
  std::vector<std::string> expected;
  for (int round = 0; round < 3; ++round) {
    test_farm farm(temp.data());
    const auto more = write_history(farm, first_run);
    expected.insert(expected.end(), more.begin(), more.end());
    // A row of samples at the end: the next number is not the row's own plus one.
    write_batch samples;
    samples.samples = {sample_of(first_run, 100), sample_of(first_run, 101)};
    ASSERT_FALSE(farm.write(std::move(samples)).error);
    expected.insert(expected.end(), {"#100", "#101"});
    auto view = farm.look();
    EXPECT_EQ(replay(view, first_run, 0, 4), expected);
  }
}

TEST(events, OfManyRunsInOneCommitDoNotMix) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (uint32_t i = 0; i < 300; ++i)
    batch.samples.push_back(sample_of(run_id{first_run.value + i % 3}, i));
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  for (uint32_t run = 0; run < 3; ++run) {
    const auto seen = replay(view, run_id{first_run.value + run}, 0, 1000);
    ASSERT_EQ(seen.size(), 100U);
    EXPECT_EQ(seen[99], "#" + std::to_string(297 + run));
  }
}

TEST(events, SplitARowThatGrowsTooLong) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (uint32_t i = 0; i < 3000; ++i)
    batch.samples.push_back(sample_of(first_run, i));
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  EXPECT_EQ(replay(view, first_run, 0, 1000).size(), 3000U);
  EXPECT_EQ(replay(view, first_run, 2047, 10).front(), "#2047");
}

TEST(events, OfARunsLifeAreReadWithoutItsSamples) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_history(farm, first_run);
  auto view = farm.look();
  std::vector<std::string> seen;
  uint64_t after = 0;
  for (bool more = true; more;) {
    const auto page = view.page_lifecycle(first_run, after, 2).value();
    for (const auto& one : page.events)
      seen.push_back(std::to_string(one.seq) + " " + std::get<event>(one.what).data.str());
    after = page.last_seq;
    more = page.more;
  }
  EXPECT_THAT(seen, ::testing::ElementsAre("1 started", "5 paused", "6 resumed", "9 completed"));
  EXPECT_EQ(after, 9U) << "samples count, so that the reader is level with the run";
  EXPECT_EQ(view.page_lifecycle(first_run, 7, 10).value().events.size(), 1U);
}

TEST(events, OfARunsLifeAreFoundBehindAnyNumberOfSamples) {
  const temp_folder temp;
  test_farm farm(temp.data());
  for (uint32_t i = 0; i < 1'200; ++i) {
    write_batch batch;
    batch.samples = {sample_of(first_run, i)};
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }
  write_batch end;
  end.events = {event_of(first_run, "completed")};
  ASSERT_FALSE(farm.write(std::move(end)).error);
  auto view = farm.look();
  const auto first = view.page_lifecycle(first_run, 0, 100).value();
  EXPECT_TRUE(first.events.empty());
  ASSERT_TRUE(first.more) << "a page is bounded whatever it passes over";
  const auto second = view.page_lifecycle(first_run, first.last_seq, 100).value();
  ASSERT_EQ(second.events.size(), 1U);
  EXPECT_EQ(second.events.front().seq, 1'201U);
}

TEST(events, ShowTheSamplesPresentRecord) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.samples = {sample_of(first_run, 0, sample_status::failed)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  write_batch again;
  again.samples = {sample_of(first_run, 0, sample_status::scored)};
  ASSERT_FALSE(farm.write(std::move(again)).error);
  const auto page = farm.look().page_events(first_run, 0, 10).value();
  ASSERT_EQ(page.events.size(), 2U);
  for (const auto& one : page.events)
    EXPECT_EQ(std::get<sample_record>(one.what).status, sample_status::scored);
}

} // namespace
} // namespace assay::storage
