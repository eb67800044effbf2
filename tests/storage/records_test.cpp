#include "storage/records.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>

namespace assay::storage {
namespace {

using namespace testing;

std::string golden(const std::string& name) {
  std::ifstream file("tests/storage/golden/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A run with everything that its JSON form knows.
run_record full_run() {
  auto run = run_of(first_run, run_state::failed);
  run.spec.provider = provider_id("anthropic");
  run.spec.metadata = R"({"note":"caf\u00e9"})";
  run.spec.prompt_types = {"standard", "cot"};
  run.spec.epochs = 3;
  run.spec.limit = 500;
  run.spec.random_seed = -42;
  run.spec.depends_on = {second_run};
  pinned_task task;
  task.id = task_id("arithmetic");
  task.definition = "id: arithmetic\nscorers: [exact]\n";
  task.sample_count = 500;
  task.scorer_names = {"exact"};
  run.spec.tasks = {task};
  run.generation = 2;
  run.error = fault{errc::budget_exhausted, "the budget is spent", "budget", "raise it"};
  run.progress.total = 3000;
  run.progress.done = 1234;
  run.progress.cost = money{987'654'321};
  run.last_seq = 1250;
  return run;
}

TEST(golden_files, VersionOneOfAnAnswerReadsAsItDid) {
  const auto expected = full_response();
  record_decoder decoder;
  const auto read =
      decoder.response(expected.run, expected.address, expected.attempt, golden("response_v1.bin"));
  EXPECT_TRUE(same(read.value(), expected));
  EXPECT_EQ(record_encoder().response(expected), golden("response_v1.bin"));
}

TEST(golden_files, VersionOneOfACompressedAnswerReadsAsItDid) {
  auto expected = full_response();
  expected.prompt = shared_text(std::string(5000, 'p'));
  record_decoder decoder;
  const auto read = decoder.response(expected.run, expected.address, expected.attempt,
                                     golden("response_compressed_v1.bin"));
  // The encoder's bytes depend on the version of zstd and are not compared.
  EXPECT_TRUE(same(read.value(), expected));
}

TEST(golden_files, VersionOneOfASampleReadsAsItDid) {
  const auto expected = full_sample();
  EXPECT_EQ(record_decoder().sample(expected.run, expected.address, golden("sample_v1.bin")).value(),
            expected);
  EXPECT_EQ(record_decoder().status(golden("sample_v1.bin")).value(), expected.status);
  EXPECT_EQ(record_encoder().sample(expected), golden("sample_v1.bin"));
}

TEST(golden_files, VersionOneOfARunReadsAsItDid) {
  const auto read = record_decoder().run(golden("run_v1.bin"));
  EXPECT_EQ(nlohmann::json(read.value()), nlohmann::json(full_run()));
}

TEST(golden_files, VersionOneOfARunSummaryReadsAsItDid) {
  const auto expected = summary_of(full_run());
  EXPECT_EQ(record_decoder().summary(expected.run, golden("run_summary_v1.bin")).value(), expected);
  EXPECT_EQ(record_encoder().summary(expected), golden("run_summary_v1.bin"));
}

TEST(record_codec, ASummaryTellsBatchesApart) {
  auto run = full_run();
  run.spec.kind = run_kind::llm_batch;
  const auto summary = summary_of(run);
  EXPECT_EQ(summary.kind, run_kind::llm_batch);
  record_encoder encoder;
  EXPECT_EQ(record_decoder().summary(summary.run, encoder.summary(summary)).value(), summary);
}

TEST(golden_files, VersionOneOfALifecycleEventReadsAsItDid) {
  const auto expected = full_event();
  const auto row = record_decoder().events(expected.run, expected.seq, golden("event_v1.bin")).value();
  ASSERT_TRUE(row.lifecycle);
  EXPECT_EQ(row.lifecycle->type, expected.type);
  EXPECT_EQ(row.lifecycle->at, expected.at);
  EXPECT_EQ(row.lifecycle->data, expected.data);
  EXPECT_EQ(row.lifecycle->seq, expected.seq);
  EXPECT_EQ(record_encoder().lifecycle(expected), golden("event_v1.bin"));
}

TEST(golden_files, VersionOneOfASampleEventRowReadsAsItDid) {
  const std::vector<sample_address> expected = {{0, 0, 1, 0, 0, 0}, {1, 2, 300'000, 4, 5, 6}};
  EXPECT_EQ(record_decoder().events(first_run, 1, golden("sample_events_v1.bin")).value().samples, expected);
  EXPECT_EQ(record_decoder().event_count(golden("sample_events_v1.bin")).value(), 2U);
  EXPECT_EQ(record_encoder().sample_events(expected), golden("sample_events_v1.bin"));
}

TEST(golden_files, VersionOneOfADocumentAndOfATextReadAsTheyDid) {
  EXPECT_EQ(record_decoder().versioned_document(golden("document_v1.bin")).value(), (document{300, "bytes"}));
  EXPECT_EQ(record_encoder().versioned_document(300, "bytes"), golden("document_v1.bin"));
  EXPECT_EQ(record_decoder().text(golden("text_v1.bin")).value(), R"({"score":1})");
  EXPECT_EQ(record_encoder().text(R"({"score":1})"), golden("text_v1.bin"));
}

TEST(records, AreReadBackWithTheirDefaultsToo) {
  response_record response;
  sample_record sample;
  EXPECT_TRUE(
      same(record_decoder().response({}, {}, 0, record_encoder().response(response)).value(), response));
  EXPECT_EQ(record_decoder().sample({}, {}, record_encoder().sample(sample)).value(), sample);
}

TEST(records, KeepARunWhoseErrorIsNoText) {
  auto run = run_of(first_run, run_state::failed);
  run.error = fault{errc::internal, "bad \xFF byte", "", ""};
  run.spec.output_path = "\xC3";
  const auto read = record_decoder().run(record_encoder().run(run));
  EXPECT_EQ(read.value().state, run_state::failed);
}

TEST(records, KeepTheWayOfAnAnswerThatWentThroughSeveral) {
  auto response = full_response();
  response.key = "key-2";
  response.served_by = "b/n";
  response.failures[0].key = "key-1";
  response.failures[1].target = "a/m";
  const std::string stored(record_encoder().response(response));
  record_decoder decoder;
  const auto read = decoder.response(response.run, response.address, response.attempt, stored);
  ASSERT_TRUE(read);
  EXPECT_TRUE(same(*read, response));
  EXPECT_EQ(stored[0], 2) << "a reader that knows version one alone must not take it for damaged";
}

TEST(records, RefuseAVersionOfTheFuture) {
  std::string stored(record_encoder().sample(full_sample()));
  stored[0] = 3;
  EXPECT_EQ(record_decoder().sample({}, {}, stored).error().code, errc::store_incompatible);
  stored[0] = 0;
  EXPECT_EQ(record_decoder().sample({}, {}, stored).error().code, errc::store_unreadable);
}

TEST(records, RefuseTrailingAndMissingBytes) {
  record_decoder decoder;
  const auto full = full_response();
  const std::string stored(record_encoder().response(full));
  for (size_t size = 0; size < stored.size(); ++size)
    EXPECT_FALSE(decoder.response(full.run, full.address, 0, stored.substr(0, size))) << size;
  EXPECT_FALSE(decoder.response(full.run, full.address, 0, stored + "x"));
  const std::string sample(record_encoder().sample(full_sample()));
  for (size_t size = 0; size < sample.size(); ++size)
    EXPECT_FALSE(decoder.sample(full.run, full.address, sample.substr(0, size))) << size;
}

TEST(records, RefuseAnEventRowThatClaimsTooManySamples) {
  std::string stored("\x01\x00\x02", 3);
  byte_writer(stored).varint(uint64_t{1} << 60);
  EXPECT_EQ(record_decoder().events(first_run, 1, stored).error().code, errc::store_unreadable);
  EXPECT_EQ(record_decoder().event_count(stored).error().code, errc::store_unreadable);
}

TEST(records, SurviveAnyBytes) {
  record_encoder encoder;
  const std::vector<std::string> seeds = {
      std::string(encoder.response(full_response())),
      std::string(encoder.sample(full_sample())),
      std::string(encoder.run(full_run())),
      std::string(encoder.summary(summary_of(full_run()))),
      std::string(encoder.lifecycle(full_event())),
      std::string(encoder.sample_events(std::vector<sample_address>(40, full_sample().address))),
      std::string(encoder.versioned_document(7, "bytes")),
  };
  record_decoder decoder;
  number_source numbers(4);
  size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes =
        numbers.below(8) == 0 ? numbers.bytes(numbers.below(200)) : seeds[numbers.below(seeds.size())];
    if (bytes.empty())
      continue;
    for (uint64_t i = 0; i <= numbers.below(6); ++i)
      bytes[numbers.below(bytes.size())] = static_cast<char>(numbers.next());
    refused += !decoder.response(first_run, {}, 0, bytes);
    refused += !decoder.times(bytes);
    refused += !decoder.sample(first_run, {}, bytes);
    refused += !decoder.status(bytes);
    refused += !decoder.run(bytes);
    refused += !decoder.summary(first_run, bytes);
    refused += !decoder.events(first_run, 1, bytes);
    refused += !decoder.event_count(bytes);
    refused += !decoder.versioned_document(bytes);
    refused += !decoder.text(bytes);
  }
  EXPECT_GT(refused, 50'000U);
}

TEST(records, SurviveDeeplyNestedJson) {
  const std::string stored = std::string("\x01\x00", 2) + std::string(200'000, '[');
  EXPECT_EQ(record_decoder().run(stored).error().code, errc::store_unreadable);
}

} // namespace

/// Writes the golden files anew; run by hand when a record gets a new version, whose files get its number.
void write_golden_files(const std::string& folder) {
  const auto write = [&](const std::string& name, std::string_view bytes) {
    std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
  };
  record_encoder encoder;
  write("response_v1.bin", encoder.response(full_response()));
  auto large = full_response();
  large.prompt = shared_text(std::string(5000, 'p'));
  write("response_compressed_v1.bin", encoder.response(large));
  write("sample_v1.bin", encoder.sample(full_sample()));
  write("run_v1.bin", encoder.run(full_run()));
  write("run_summary_v1.bin", encoder.summary(summary_of(full_run())));
  write("event_v1.bin", encoder.lifecycle(full_event()));
  write("sample_events_v1.bin",
        encoder.sample_events(std::vector<sample_address>{{0, 0, 1, 0, 0, 0}, {1, 2, 300'000, 4, 5, 6}}));
  write("document_v1.bin", encoder.versioned_document(300, "bytes"));
  write("text_v1.bin", encoder.text(R"({"score":1})"));
}

} // namespace assay::storage
