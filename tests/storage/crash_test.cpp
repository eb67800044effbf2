#include "tests/storage/helper_process.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include <set>

namespace assay::storage {
namespace {

using namespace testing;

/// Every reported batch is there; each batch is there completely or not at all; nothing breaks the numbering.
void expect_sound(const std::shared_ptr<store>& data, const std::set<uint64_t>& reported) {
  auto view = snapshot::open(data).value();
  std::map<run_id, uint64_t> numbers;
  for (uint64_t ticket = 1; ticket <= crash_tickets; ++ticket) {
    const bool there = view.find_document(table::settings, crash_document(ticket)).value().has_value();
    EXPECT_TRUE(there || !reported.contains(ticket)) << "ticket " << ticket << " was reported and is lost";
    const auto batch = crash_batch(ticket);
    for (const auto& sample : batch.samples)
      EXPECT_EQ(view.find_sample(sample.run, sample.address).value().has_value(), there) << ticket;
    for (const auto& response : batch.responses)
      EXPECT_EQ(view.find_response(response.run, response.address).value().has_value(), there) << ticket;
    if (there)
      numbers[crash_run(ticket)] += batch.samples.size() + batch.events.size();
  }
  for (const auto& [run, count] : numbers) {
    uint64_t seq = 0;
    for (bool more = true; more;) {
      const auto page = view.page_events(run, seq, 1000).value();
      for (const auto& one : page.events)
        ASSERT_EQ(one.seq, ++seq);
      more = page.more;
    }
    EXPECT_EQ(seq, count);
  }
}

struct crash_place {
  store_operation operation;
  std::vector<int> numbers;
};

TEST(killed_farm, LosesNothingThatItReported) {
  const crash_place places[] = {
      {store_operation::begin, {0, 1, 7, 19}},
      {store_operation::put, {0, 1, 7, 40, 200, 500}},
      {store_operation::commit, {0, 1, 7, 19}},
      {store_operation::committed, {0, 1, 7, 19}},
  };
  for (const auto& place : places)
    for (const int number : place.numbers) {
      SCOPED_TRACE("operation " + std::to_string(static_cast<int>(place.operation)) + " number "
                   + std::to_string(number));
      const temp_folder temp;
      helper_process farm(
          "crash", {temp.data(), std::to_string(static_cast<int>(place.operation)), std::to_string(number)});
      std::set<uint64_t> reported;
      while (const auto line = farm.read_line())
        reported.insert(std::stoull(*line));
      ASSERT_EQ(farm.wait(), SIGKILL) << "the place was not reached";
      if (place.operation == store_operation::commit) {
        EXPECT_GE(reported.size(), static_cast<size_t>(number))
            << "each commit before reported a ticket at least";
      }
      test_farm again(temp.data());
      expect_sound(again.data(), reported);
      const auto run = crash_run(1);
      const auto before = again.look().last_seq(run).value();
      write_batch more;
      more.events = {event_of(run)};
      EXPECT_EQ(again.write(std::move(more)).events.at(0).seq, before + 1);
    }
}

TEST(killed_farm, LeavesNoLockAndNoReaderBehind) {
  const temp_folder temp;
  { test_farm farm(temp.data()); }
  {
    helper_process reader("read", {temp.data()});
    ASSERT_EQ(reader.read_line(), "open");
    reader.write_line("count");
    ASSERT_EQ(reader.read_line(), "0");
  }
  EXPECT_TRUE(store::open(test_farm::options_for(temp.data())));
}

TEST(full_disk, KeepsEverythingReportedAndSaysSo) {
  const temp_folder temp;
  helper_process farm("full", {temp.data()});
  std::set<uint64_t> reported;
  std::string end;
  while (const auto line = farm.read_line()) {
    if (line->starts_with("end "))
      end = *line;
    else
      reported.insert(std::stoull(*line));
  }
  EXPECT_EQ(farm.wait(), 0);
  EXPECT_EQ(end, "end store_full");
  EXPECT_GT(reported.size(), 50U);
  test_farm again(temp.data());
  for (const auto ticket : reported)
    EXPECT_TRUE(again.look().find_document(table::settings, crash_document(ticket)).value()) << ticket;
  EXPECT_FALSE(again.write(crash_batch(1)).error);
}

} // namespace
} // namespace assay::storage
