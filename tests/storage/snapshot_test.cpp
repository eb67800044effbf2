#include "storage/snapshot.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <utility>

namespace assay::storage {
namespace {

using namespace testing;

/// A store whose time the test moves.
struct timed_farm {
  explicit timed_farm(const std::filesystem::path& folder, size_t map_size = size_t{1} << 30)
      : farm([&] {
          auto options = test_farm::options_for(folder);
          options.map_size = map_size;
          options.steady_now = [this] {
            return std::chrono::steady_clock::time_point{} + milliseconds{now.load()};
          };
          return options;
        }()) {}

  std::atomic<int64_t> now = 1'000'000;
  test_farm farm;
};

write_batch samples_batch(run_id run, uint32_t from, uint32_t to) {
  write_batch batch;
  for (uint32_t i = from; i < to; ++i)
    batch.samples.push_back(sample_of(run, i));
  return batch;
}

TEST(snapshot_lists, PassOverBatchesUnlessAsked) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (uint32_t i = 0; i < 2; ++i) {
    run_record run;
    run.spec.id = run_id{1'700'000'000, i + 1};
    run.spec.kind = i == 0 ? run_kind::llm_batch : run_kind::evaluation;
    batch.runs.push_back(std::move(run));
  }
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  run_query query;
  auto view = farm.look();
  EXPECT_EQ(view.list_summaries(query).value().runs.size(), 1U);
  EXPECT_EQ(view.open_runs().value().runs.size(), 2U) << "a farm that starts goes on with both";
  query.with_batches = true;
  EXPECT_EQ(view.list_summaries(query).value().runs.size(), 2U);
}

// -- age
// ------------------------------------------------------------------------------------------------------

TEST(snapshot_age, EndsAViewAtItsLimit) {
  const temp_folder temp;
  timed_farm timed(temp.data());
  auto view = timed.farm.look();
  timed.now += 2000;
  EXPECT_TRUE(view.find_run(first_run));
  timed.now += 1;
  EXPECT_EQ(view.find_run(first_run).error().code, errc::deadline_exceeded);
  EXPECT_EQ(view.page_samples(first_run, std::nullopt, 10).error().code, errc::deadline_exceeded);
  EXPECT_TRUE(timed.farm.look().find_run(first_run));
}

TEST(snapshot_age, EndsAViewThatNobodyUsesAfterTheNextCommit) {
  const temp_folder temp;
  timed_farm timed(temp.data());
  const auto view = timed.farm.look();
  EXPECT_EQ(timed.farm.data()->readers().open, 1U);
  timed.now += 1500;
  EXPECT_EQ(timed.farm.data()->readers().oldest_age, milliseconds{1500});
  timed.now += 600;
  ASSERT_FALSE(timed.farm.write(samples_batch(first_run, 0, 1)).error);
  timed.farm.out().stop();
  EXPECT_EQ(timed.farm.data()->readers().open, 0U);
  EXPECT_EQ(timed.farm.data()->readers().expired, 1U);
}

TEST(snapshot_age, LetsTheMapGrowAlthoughAViewIsHeld) {
  const temp_folder temp;
  timed_farm timed(temp.data(), 256 << 10);
  auto view = timed.farm.look();
  // Already over its limit, yet not ended by a commit; the growth must wait for it or end it, never ignore
  // it.
  timed.now += 2001;
  for (uint32_t i = 0; i < 100; ++i) {
    write_batch batch;
    batch.put_document(table::settings, std::to_string(i), number_source(i).bytes(5000));
    ASSERT_FALSE(timed.farm.write(std::move(batch)).error);
  }
  EXPECT_EQ(view.find_run(first_run).error().code, errc::deadline_exceeded);
}

TEST(snapshot_age, CountsReadersAndForgetsThem) {
  const temp_folder temp;
  timed_farm timed(temp.data());
  const auto opened_before = timed.farm.data()->readers().opened;
  {
    const auto one = timed.farm.look();
    auto two = timed.farm.look();
    EXPECT_EQ(timed.farm.data()->readers().open, 2U);
    const auto moved = std::move(two);
    EXPECT_EQ(timed.farm.data()->readers().open, 2U);
  }
  EXPECT_EQ(timed.farm.data()->readers().open, 0U);
  EXPECT_EQ(timed.farm.data()->readers().oldest_age, milliseconds{0});
  EXPECT_EQ(timed.farm.data()->readers().opened, opened_before + 2);
}

TEST(snapshot_age, KeepsTheStoreAlive) {
  const temp_folder temp;
  std::optional<snapshot> view;
  {
    test_farm farm(temp.data());
    write_batch batch;
    batch.runs = {run_of(first_run)};
    ASSERT_FALSE(farm.write(std::move(batch)).error);
    view = farm.look();
  }
  EXPECT_TRUE(view->find_run(first_run).value());
  EXPECT_EQ(store::open(test_farm::options_for(temp.data())).error().code, errc::store_locked);
  view.reset();
  EXPECT_TRUE(store::open(test_farm::options_for(temp.data())));
}

TEST(snapshot, SeesOneStateOnly) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(samples_batch(first_run, 0, 3)).error);
  auto before = farm.look();
  ASSERT_FALSE(farm.write(samples_batch(first_run, 3, 6)).error);
  EXPECT_EQ(before.page_samples(first_run, std::nullopt, 10).value().samples.size(), 3U);
  EXPECT_EQ(farm.look().page_samples(first_run, std::nullopt, 10).value().samples.size(), 6U);
}

TEST(snapshot, AnswersNothingForWhatIsNotThere) {
  const temp_folder temp;
  test_farm farm(temp.data());
  auto view = farm.look();
  EXPECT_FALSE(view.find_run(first_run).value());
  EXPECT_FALSE(view.find_sample(first_run, {}).value());
  EXPECT_FALSE(view.find_response(first_run, {}).value());
  EXPECT_TRUE(view.find_responses(first_run, {}).value().empty());
  EXPECT_FALSE(view.find_result(first_run).value());
  EXPECT_FALSE(view.find_document(table::users, "x").value());
  EXPECT_TRUE(view.page_events(first_run, 0, 10).value().events.empty());
  EXPECT_TRUE(view.page_responses(first_run, std::nullopt, 10).value().responses.empty());
  EXPECT_EQ(view.last_seq(first_run).value(), 0U);
  EXPECT_EQ(view.find_document(table::runs, "x").error().code, errc::invalid_argument);
  EXPECT_EQ(view.find_document(table::users, "").error().code, errc::invalid_argument);
}

// -- runs
// -----------------------------------------------------------------------------------------------------

TEST(run_lists, GoFromTheNewestByPagesAndFilters) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (uint32_t i = 0; i < 25; ++i) {
    auto run = run_of(run_id{1'700'000'000U + i, 0U}, i % 2 == 0 ? run_state::completed : run_state::running);
    run.spec.owner = user_id(i % 5 == 0 ? "bob" : "alice");
    batch.runs.push_back(run);
  }
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  run_query query;
  query.limit = 10;
  std::vector<run_id> seen;
  size_t pages = 0;
  do {
    const auto page = view.list_runs(query).value();
    for (const auto& run : page.runs)
      seen.push_back(run.spec.id);
    query.before = page.next;
    ++pages;
  } while (query.before);
  EXPECT_EQ(pages, 3U);
  ASSERT_EQ(seen.size(), 25U);
  for (uint32_t i = 0; i < 25; ++i)
    EXPECT_EQ(seen[i], run_id(1'700'000'024U - i, 0U));
  run_query bobs;
  bobs.owner = user_id("bob");
  EXPECT_EQ(view.list_runs(bobs).value().runs.size(), 5U);
  bobs.state = run_state::running;
  EXPECT_EQ(view.list_runs(bobs).value().runs.size(), 2U);
}

TEST(run_lists, FollowTheStateOfARun) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.runs = {run_of(first_run, run_state::paused), run_of(second_run, run_state::completed)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_EQ(farm.look().open_runs().value().runs.at(0).spec.id, first_run);
  EXPECT_EQ(farm.look().open_runs().value().runs.size(), 1U);
  write_batch end;
  end.runs = {run_of(first_run, run_state::cancelled)};
  ASSERT_FALSE(farm.write(std::move(end)).error);
  EXPECT_TRUE(farm.look().open_runs().value().runs.empty());
}

TEST(run_lists, PageThroughOpenRunsFromTheOldest) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (uint32_t i = 0; i < 10; ++i)
    batch.runs.push_back(
        run_of(run_id{1'700'000'000U + i, 0U}, i == 4 ? run_state::failed : run_state::queued));
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  const auto one = view.open_runs(std::nullopt, 5).value();
  ASSERT_EQ(one.runs.size(), 5U);
  const auto two = view.open_runs(one.next, 5).value();
  ASSERT_EQ(two.runs.size(), 4U);
  EXPECT_EQ(two.runs.front().spec.id, run_id(1'700'000'006U, 0U));
  EXPECT_FALSE(two.next);
}

// -- samples
// --------------------------------------------------------------------------------------------------

TEST(sample_pages, HoldAtMostAThousandRowsAndMissNoneOfAHundredThousand) {
  const temp_folder temp;
  test_farm farm(temp.data());
  constexpr uint32_t count = 100'000;
  for (uint32_t from = 0; from < count; from += 5000)
    ASSERT_FALSE(farm.write(samples_batch(first_run, from, from + 5000)).error);
  // Neighbours that must not show up.
  ASSERT_FALSE(farm.write(samples_batch(run_id{first_run.value - 1}, 0, 3)).error);
  ASSERT_FALSE(farm.write(samples_batch(run_id{first_run.value + 1}, 0, 3)).error);
  std::optional<sample_address> after;
  uint32_t seen = 0;
  do {
    auto view = farm.look();
    const auto page = view.page_samples(first_run, after, 1'000'000).value();
    ASSERT_LE(page.samples.size(), max_page_rows);
    for (const auto& sample : page.samples)
      ASSERT_EQ(sample, sample_of(first_run, seen++));
    after = page.next;
  } while (after);
  EXPECT_EQ(seen, count);
  uint32_t marks = 0;
  ASSERT_TRUE(scan_done(farm.data(), first_run, generation_rule::latest,
                        [&](const sample_address& address, sample_status status) {
                          EXPECT_EQ(address, address_of(marks++));
                          EXPECT_EQ(status, sample_status::scored);
                        }));
  EXPECT_EQ(marks, count);
  uint64_t seq = 0;
  for (bool more = true; more;) {
    const auto page = farm.look().page_events(first_run, seq, 1'000'000).value();
    ASSERT_LE(page.events.size(), max_page_rows);
    for (const auto& one : page.events)
      ASSERT_EQ(one.seq, ++seq);
    more = page.more;
  }
  EXPECT_EQ(seq, count);
}

TEST(sample_pages, EndWithoutANextPageWhenTheLastRowFillsThem) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(samples_batch(first_run, 0, 10)).error);
  EXPECT_FALSE(farm.look().page_samples(first_run, std::nullopt, 10).value().next);
  EXPECT_EQ(farm.look().page_samples(first_run, std::nullopt, 9).value().next, address_of(8));
  EXPECT_EQ(farm.look().page_samples(first_run, std::nullopt, 0).value().samples.size(), 1U);
}

TEST(sample_pages, ShowTheLatestGenerationOfEachSample) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (uint32_t i = 0; i < 6; ++i)
    batch.samples.push_back(
        sample_of(first_run, i, i % 2 == 0 ? sample_status::failed : sample_status::scored));
  for (const uint16_t generation : {1, 2}) {
    auto retried = sample_of(first_run, 2, generation == 1 ? sample_status::failed : sample_status::scored);
    retried.address.generation = generation;
    batch.samples.push_back(retried);
  }
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  for (const size_t limit : {1, 2, 3, 100}) {
    std::vector<sample_record> latest;
    std::optional<sample_address> after;
    do {
      auto page = view.page_samples(first_run, after, limit).value();
      latest.insert(latest.end(), page.samples.begin(), page.samples.end());
      after = page.next;
    } while (after);
    ASSERT_EQ(latest.size(), 6U) << limit;
    EXPECT_EQ(latest[2].address.generation, 2);
    EXPECT_EQ(latest[2].status, sample_status::scored);
    EXPECT_EQ(latest[4].status, sample_status::failed);
  }
  EXPECT_EQ(view.page_samples(first_run, std::nullopt, 100, generation_rule::all).value().samples.size(), 8U);
  size_t failed = 0;
  ASSERT_TRUE(scan_done(
      farm.data(), first_run, generation_rule::latest,
      [&](const sample_address&, sample_status status) { failed += status == sample_status::failed; }));
  EXPECT_EQ(failed, 2U);
}

TEST(sample_pages, KeepTurnsAndVariantsApart) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (const sample_address address : {sample_address{0, 0, 1, 0, 0, 0},
                                       {0, 0, 1, 0, 1, 0},
                                       {0, 0, 1, 1, 0, 0},
                                       {0, 1, 1, 0, 0, 0},
                                       {1, 0, 1, 0, 0, 0}}) {
    auto record = sample_of(first_run, 1);
    record.address = address;
    batch.samples.push_back(record);
  }
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_EQ(farm.look().page_samples(first_run, std::nullopt, 100).value().samples.size(), 5U);
}

// -- responses
// ------------------------------------------------------------------------------------------------

TEST(responses, AreFoundByAttempt) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (const uint16_t attempt : {2, 0, 1, 300})
    batch.responses.push_back(response_of(first_run, 5, attempt));
  batch.responses.push_back(response_of(first_run, 6, 7));
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  EXPECT_EQ(view.find_response(first_run, address_of(5)).value()->attempt, 300);
  const auto all = view.find_responses(first_run, address_of(5)).value();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].attempt, 0);
  EXPECT_EQ(all[3].attempt, 300);
  std::vector<response_record> paged;
  std::optional<response_place> after;
  do {
    auto page = view.page_responses(first_run, after, 2).value();
    paged.insert(paged.end(), page.responses.begin(), page.responses.end());
    after = page.next;
  } while (after);
  ASSERT_EQ(paged.size(), 5U);
  EXPECT_TRUE(same(paged[4], response_of(first_run, 6, 7)));
}

TEST(responses, TellTheirTimesWithoutTheirTexts) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (uint32_t i = 0; i < 5; ++i) {
    auto response = full_response();
    response.address = address_of(i);
    response.attempt = static_cast<uint16_t>(i);
    response.finished_at += seconds{i};
    response.timing.first_byte = milliseconds{i};
    response.answer = shared_text(std::string(3 << 20, 'x'));
    batch.responses = {response};
    ASSERT_FALSE(farm.write(std::exchange(batch, {})).error);
  }
  batch.responses = {response_of(second_run, 9)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  uint32_t found = 0;
  size_t pages = 0;
  std::optional<response_place> after;
  do {
    const auto page = view.page_times(first_run, after, 2).value();
    for (const auto& [place, times] : page.times) {
      EXPECT_EQ(place.address, address_of(found));
      EXPECT_EQ(place.attempt, found);
      EXPECT_EQ(times.finished_at, full_response().finished_at + seconds{found});
      EXPECT_EQ(times.timing.first_byte, milliseconds{found});
      EXPECT_EQ(times.timing.transfer, full_response().timing.transfer);
      ++found;
    }
    after = page.next;
    ++pages;
  } while (after);
  EXPECT_EQ(found, 5U);
  EXPECT_EQ(pages, 3U);
}

TEST(responses, EndAPageOfLargeOnesEarly) {
  const temp_folder temp;
  test_farm farm(temp.data());
  for (uint32_t i = 0; i < 5; ++i) {
    write_batch batch;
    auto response = response_of(first_run, i);
    response.answer = shared_text(std::string(3 << 20, 'x'));
    batch.responses = {response};
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }
  const auto page = farm.look().page_responses(first_run, std::nullopt, 100).value();
  EXPECT_EQ(page.responses.size(), 3U);
  ASSERT_TRUE(page.next);
  EXPECT_EQ(farm.look().page_responses(first_run, page.next, 100).value().responses.size(), 2U);
}

// -- documents
// ------------------------------------------------------------------------------------------------

TEST(documents, AreListedByPrefixRangeAndPage) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  for (const auto* key : {"a/1", "a/2", "a/3", "a/4", "b/1", "a"})
    batch.put_document(table::alerts, key, std::string("of ") + key);
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  const auto keys = [](const document_page& page) {
    std::vector<std::string> all;
    for (const auto& [key, value] : page.documents)
      all.push_back(key);
    return all;
  };
  using strings = std::vector<std::string>;
  EXPECT_EQ(keys(view.page_documents(table::alerts, {}).value()),
            (strings{"a", "a/1", "a/2", "a/3", "a/4", "b/1"}));
  EXPECT_EQ(keys(view.page_documents(table::alerts, {"a/", "a/1", {}, 10}).value()),
            (strings{"a/2", "a/3", "a/4"}));
  EXPECT_EQ(keys(view.page_documents(table::alerts, {"a/", {}, "a/3", 10}).value()), (strings{"a/1", "a/2"}));
  // A cursor from before the prefix starts at the prefix.
  EXPECT_EQ(keys(view.page_documents(table::alerts, {"b/", "a/1", {}, 10}).value()), (strings{"b/1"}));
  const auto page = view.page_documents(table::alerts, {"a/", {}, {}, 3}).value();
  EXPECT_EQ(page.next, "a/3");
  EXPECT_EQ(keys(view.page_documents(table::alerts, {"a/", page.next, {}, 3}).value()), (strings{"a/4"}));
  EXPECT_EQ(view.page_documents(table::samples, {}).error().code, errc::invalid_argument);
}

} // namespace
} // namespace assay::storage
