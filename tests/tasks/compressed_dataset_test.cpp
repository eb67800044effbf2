#include "tests/tasks/tasks_support.hpp"

#include <gmock/gmock.h>
#include <zlib.h>

namespace assay::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string gzip(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data())); // NOLINT: zlib's interface
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class compressed_datasets : public folder_test {};
class ids_of_rows : public folder_test {};

TEST_F(compressed_datasets, AreReadAsWhatTheyHold) {
  EXPECT_THAT(rows_of(write("a.jsonl.gz", gzip("{\"a\":1}\n{\"a\":2}\n"))),
              ElementsAre("{\"a\": 1}", "{\"a\": 2}"));
  EXPECT_THAT(rows_of(write("a.json.gz", gzip("[{\"a\":1}]"))), ElementsAre("{\"a\": 1}"));
  EXPECT_THAT(rows_of(write("a.csv.gz", gzip("a,b\n1,2\n"))), ElementsAre(R"({"a": "1", "b": "2"})"));
  EXPECT_THAT(rows_of(write("a.tsv.gz", gzip("a\tb\n1\t2\n"))), ElementsAre(R"({"a": "1", "b": "2"})"));
}

TEST_F(compressed_datasets, MayHaveSeveralMembersAndManyBytes) {
  std::string text;
  for (int i = 0; i < 50'000; ++i)
    text.append("{\"a\":").append(std::to_string(i)).append("}\n");
  const auto path = write("a.jsonl.gz", gzip(text) + gzip("{\"a\":\"last\"}\n"));
  const auto facts = inspect_dataset(path);
  ASSERT_TRUE(facts.has_value()) << to_string(facts.error());
  EXPECT_EQ(facts->rows, 50'001u);
  EXPECT_EQ(facts->bytes, std::filesystem::file_size(path)) << "as it is on the disk";
}

TEST_F(compressed_datasets, ThatAreCutOrDamagedAreRefused) {
  const auto whole = gzip(std::string(100'000, ' ') + "{\"a\":1}\n");
  EXPECT_EQ(inspect_dataset(write("cut.jsonl.gz", whole.substr(0, whole.size() - 9))).error().code,
            errc::dataset_unreadable);
  auto damaged = whole;
  damaged[damaged.size() / 2] = static_cast<char>(~damaged[damaged.size() / 2]);
  EXPECT_EQ(inspect_dataset(write("damaged.jsonl.gz", damaged)).error().code, errc::dataset_unreadable);
}

TEST_F(compressed_datasets, ALineThatGrowsTooLongIsRefused) {
  EXPECT_EQ(inspect_dataset(write("bomb.jsonl.gz", gzip(std::string(size_t{100} << 20, 'x')))).error().code,
            errc::too_large);
}

TEST_F(ids_of_rows, ThatRepeatAreRefusedWithBothLines) {
  const auto found = inspect_dataset(write("a.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"id\":1}\n"));
  ASSERT_FALSE(found.has_value());
  EXPECT_THAT(found.error().message, HasSubstr("line 1 already"));
  EXPECT_THAT(found.error().where, HasSubstr("a.jsonl:3"));
  EXPECT_TRUE(inspect_dataset(write("b.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"other\":1}\n")).has_value());
}

} // namespace
} // namespace assay::tasks
