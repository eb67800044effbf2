#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

namespace assay::storage {
namespace {

using namespace testing;

write_batch put(std::string bytes, document_condition condition = {}) {
  write_batch batch;
  batch.put_document(table::idempotency, "key", std::move(bytes), std::move(condition));
  return batch;
}

TEST(document_conditions, RaiseTheVersionWithEachWrite) {
  const temp_folder temp;
  test_farm farm(temp.data());
  EXPECT_EQ(farm.write(put("a")).documents.at(0).version, 1U);
  EXPECT_EQ(farm.write(put("b")).documents.at(0).version, 2U);
  EXPECT_EQ(farm.look().find_document(table::idempotency, "key").value(), (document{2, "b"}));
}

TEST(document_conditions, LetOnlyTheFirstCallerCreate) {
  const temp_folder temp;
  test_farm farm(temp.data());
  EXPECT_FALSE(farm.write(put("run 1", document_condition::if_absent())).error);
  const auto second = farm.write(put("run 2", document_condition::if_absent()));
  ASSERT_TRUE(second.error);
  EXPECT_EQ(second.error->code, errc::conflict);
  EXPECT_FALSE(second.documents.at(0).condition_held);
  EXPECT_EQ(second.documents.at(0).present, "run 1");
  EXPECT_EQ(farm.look().find_document(table::idempotency, "key").value()->bytes, "run 1");
}

TEST(document_conditions, WriteNothingOfABatchWhenOneFails) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(put("run 1")).error);
  auto batch = put("run 2", document_condition::if_absent());
  batch.put_document(table::users, "bob", "x");
  batch.runs = {run_of(second_run)};
  batch.samples = {sample_of(second_run, 0)};
  batch.responses = {response_of(second_run, 0)};
  batch.events = {event_of(second_run)};
  batch.results = {{second_run, "{}"}};
  const auto report = farm.write(std::move(batch));
  ASSERT_TRUE(report.error);
  EXPECT_TRUE(report.documents.at(1).condition_held);
  EXPECT_TRUE(report.events.empty());
  auto view = farm.look();
  EXPECT_FALSE(view.find_document(table::users, "bob").value());
  EXPECT_FALSE(view.find_run(second_run).value());
  EXPECT_FALSE(view.find_sample(second_run, address_of(0)).value());
  EXPECT_FALSE(view.find_response(second_run, address_of(0)).value());
  EXPECT_FALSE(view.find_result(second_run).value());
  EXPECT_EQ(view.last_seq(second_run).value(), 0U);
  // The writer goes on, and the refused batch took no numbers.
  write_batch next;
  next.events = {event_of(second_run)};
  EXPECT_EQ(farm.write(std::move(next)).events.at(0).seq, 1U);
}

TEST(document_conditions, CompareVersionsAndBytes) {
  const temp_folder temp;
  test_farm farm(temp.data());
  EXPECT_EQ(farm.write(put("b", document_condition::if_version(1))).error->code, errc::conflict);
  EXPECT_EQ(farm.write(put("b", document_condition::if_bytes("a"))).error->code, errc::conflict);
  ASSERT_FALSE(farm.write(put("a")).error);
  EXPECT_FALSE(farm.write(put("b", document_condition::if_version(1))).error);
  EXPECT_EQ(farm.write(put("c", document_condition::if_version(1))).error->code, errc::conflict);
  EXPECT_FALSE(farm.write(put("c", document_condition::if_bytes("b"))).error);
  EXPECT_EQ(farm.write(put("d", document_condition::if_bytes("b"))).documents.at(0).present, "c");
}

TEST(document_conditions, EraseOnlyWhatIsAsExpected) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(put("a")).error);
  write_batch wrong;
  wrong.erase_document(table::idempotency, "key", document_condition::if_bytes("b"));
  EXPECT_EQ(farm.write(std::move(wrong)).error->code, errc::conflict);
  write_batch right;
  right.erase_document(table::idempotency, "key", document_condition::if_bytes("a"));
  const auto report = farm.write(std::move(right));
  EXPECT_FALSE(report.error);
  EXPECT_EQ(report.documents.at(0).version, 0U);
  EXPECT_FALSE(farm.look().find_document(table::idempotency, "key").value());
}

TEST(document_conditions, SeeTheBatchesBeforeThemInTheSameCommit) {
  const temp_folder temp;
  // A long window and a first commit make the next batches wait for each other.
  writer_options options;
  options.window = std::chrono::minutes{10};
  test_farm farm(test_farm::options_for(temp.data()), options);
  ASSERT_FALSE(farm.write({}).error);
  for (uint64_t ticket = 1; ticket <= 3; ++ticket) {
    auto batch = put(std::to_string(ticket), document_condition::if_absent());
    batch.ticket = ticket;
    ASSERT_TRUE(farm.out().submit(std::move(batch)));
  }
  farm.out().stop();
  EXPECT_EQ(farm.reports().commits(), 2U);
  EXPECT_FALSE(farm.reports().wait_for(1).error);
  EXPECT_EQ(farm.reports().wait_for(2).documents.at(0).present, "1");
  EXPECT_EQ(farm.reports().wait_for(3).error->code, errc::conflict);
}

} // namespace
} // namespace assay::storage
