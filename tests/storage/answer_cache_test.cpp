#include "storage/answer_cache.hpp"

#include "storage/write_transaction.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

namespace assay::storage {
namespace {

using namespace testing;

wall_time at(int64_t second) { return wall_time{seconds{1'700'000'000 + second}}; }

cached_answer answer_of(std::string_view text, int64_t second = 0) {
  cached_answer out;
  out.answer = shared_text{text};
  out.finish = finish_reason::stop;
  out.usage = {11, 22, 3, 4};
  out.usage_estimated = true;
  out.cost = money{1'234'567};
  out.http_status = 200;
  out.served_model = "model-1-2024";
  out.request_id = "req-1";
  out.simulated = true;
  out.stored_at = at(second);
  out.used_at = at(second);
  return out;
}

/// What the cache's owner writes for one answer.
void put(write_batch& batch, const std::string& question, const cached_answer& value) {
  auto bytes = encode_cached_answer(value);
  batch.put_document(table::response_cache, cache_order_row({value.used_at, cached_bytes(bytes), question}),
                     {});
  batch.put_document(table::response_cache, cached_answer_row(question), std::move(bytes));
}

void damage(test_farm& farm, const std::string& key) {
  detail::write_transaction transaction(farm.data()->environment());
  transaction.begin();
  transaction.put(table::response_cache, key, std::string("\x01\x01\xff\xff garbage", 12));
  ASSERT_EQ(transaction.commit(), detail::write_error::none);
}

TEST(answer_cache, AnAnswerComesBackWithEverything) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto value = answer_of(std::string(5000, 'x'));
  write_batch batch;
  put(batch, "question", value);
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  const auto found = find_cached_answer(view, "question").value();
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, value);
  EXPECT_GT(found->bytes, 5000U);
  EXPECT_FALSE(find_cached_answer(view, "another question").value());
}

TEST(answer_cache, NoBytesWhatsoeverAreTakenForAnAnswer) {
  const auto whole = encode_cached_answer(answer_of("an answer"));
  EXPECT_EQ(decode_cached_answer(whole).value(), answer_of("an answer"));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_cached_answer(whole.substr(0, size))) << size;
  EXPECT_FALSE(decode_cached_answer(whole + "x"));
  number_source numbers(7);
  for (int i = 0; i < 2000; ++i)
    (void)decode_cached_answer(numbers.bytes(numbers.below(80)));
}

TEST(answer_cache, ADamagedRowIsAMissAndIsReplaced) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch first;
  put(first, "question", answer_of("old"));
  ASSERT_FALSE(farm.write(std::move(first)).error);
  damage(farm, cached_answer_row("question"));
  {
    auto view = farm.look();
    const auto found = find_cached_answer(view, "question");
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_FALSE(*found);
  }
  write_batch second;
  put(second, "question", answer_of("new", 1));
  const auto report = farm.write(std::move(second));
  ASSERT_FALSE(report.error) << to_string(*report.error);
  auto view = farm.look();
  EXPECT_EQ(find_cached_answer(view, "question").value()->answer.view(), "new");
}

TEST(answer_cache, ADamagedRowCanBeErased) {
  const temp_folder temp;
  test_farm farm(temp.data());
  damage(farm, cached_answer_row("question"));
  write_batch batch;
  batch.erase_document(table::response_cache, cached_answer_row("question"));
  EXPECT_FALSE(farm.write(std::move(batch)).error);
}

TEST(answer_cache, ListsTheLeastRecentlyUsedFirst) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  put(batch, "b", answer_of("x", 30));
  put(batch, "a", answer_of("x", 20));
  put(batch, "c", answer_of("x", 10));
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  const auto first = page_cache_places(view, std::nullopt, 2).value();
  ASSERT_EQ(first.places.size(), 2U);
  EXPECT_EQ(first.places[0].question, "c");
  EXPECT_EQ(first.places[0].used_at, at(10));
  EXPECT_EQ(first.places[1].question, "a");
  ASSERT_TRUE(first.next);
  const auto second = page_cache_places(view, first.next, 2).value();
  ASSERT_EQ(second.places.size(), 1U);
  EXPECT_EQ(second.places[0].question, "b");
  EXPECT_FALSE(second.next);
}

TEST(answer_cache, TheRowOfTheOrderSaysEverythingInItsKey) {
  const cache_place place{at(5), 77, std::string("q\0u", 3)};
  EXPECT_EQ(parse_cache_order_row(cache_order_row(place)), place);
  EXPECT_FALSE(parse_cache_order_row("u"));
  EXPECT_FALSE(parse_cache_order_row(cached_answer_row("question")));
  EXPECT_FALSE(parse_cache_order_row(std::string("u") + std::string(20, '\xff')));
  EXPECT_LT(cache_order_row({at(1), 900, "z"}), cache_order_row({at(2), 1, "a"}));
}

TEST(answer_cache, IsMeasuredAndCleared) {
  const temp_folder temp;
  test_farm farm(temp.data());
  uint64_t bytes = 0;
  write_batch batch;
  for (int i = 0; i < 700; ++i) {
    const auto value = answer_of("answer " + std::to_string(i), i);
    put(batch, "question " + std::to_string(i), value);
    bytes += cached_bytes(encode_cached_answer(value));
  }
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  damage(farm, cached_answer_row("damaged"));
  EXPECT_EQ(measure_answer_cache(farm.data()).value(), (cache_size{700, bytes, at(0), at(699)}));

  size_t batches = 0;
  const auto cleared = clear_answer_cache(farm.data(), [&](write_batch&& part) -> result<void> {
    ++batches;
    EXPECT_LE(part.documents.size(), 500U);
    const auto report = farm.write(std::move(part));
    if (report.error)
      return *report.error;
    return {};
  });
  EXPECT_EQ(cleared.value(), 701U);
  EXPECT_GE(batches, 3U);
  EXPECT_EQ(measure_answer_cache(farm.data()).value(), cache_size{});
}

TEST(cached_marks, OfAnswersAndSamplesAreKept) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  auto sample = sample_of(first_run, 1);
  sample.cached = true;
  auto response = response_of(first_run, 1);
  response.cached = true;
  response.cost = money{0};
  response.saved = money{42};
  batch.samples = {sample, sample_of(first_run, 2)};
  batch.responses = {response, response_of(first_run, 2)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  auto view = farm.look();
  EXPECT_TRUE(view.find_sample(first_run, sample.address).value()->cached);
  EXPECT_FALSE(view.find_sample(first_run, address_of(2)).value()->cached);
  const auto read = view.find_response(first_run, response.address).value();
  EXPECT_TRUE(read->cached);
  EXPECT_EQ(read->saved, money{42});
  EXPECT_EQ(read->cost, money{0});
  const auto other = view.find_response(first_run, address_of(2)).value();
  EXPECT_FALSE(other->cached);
  EXPECT_FALSE(other->saved);
}

TEST(cost_of_answers, AddsUpAllTriesAndGenerations) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  money expected;
  for (uint32_t i = 0; i < 1500; ++i) {
    auto response = response_of(first_run, i);
    response.cost = money{i};
    expected += money{i};
    batch.responses.push_back(response);
  }
  auto again = response_of(first_run, 3, 1);
  again.cost = money{1'000'000};
  auto unknown = response_of(first_run, 4, 1);
  unknown.cost.reset();
  auto other = response_of(second_run, 4);
  other.cost = money{7};
  batch.responses.insert(batch.responses.end(), {again, unknown, other});
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_EQ(cost_of_answers(farm.data(), first_run).value(), expected + money{1'000'000});
  EXPECT_EQ(cost_of_answers(farm.data(), second_run).value(), money{7});
}

} // namespace
} // namespace assay::storage
