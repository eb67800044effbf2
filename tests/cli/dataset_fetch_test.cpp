#include "cli/dataset_fetch.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

namespace assay::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

/// An API of rows that a script plays.
class dataset_fetch : public ::testing::Test {
protected:
  dataset_fetch() {
    std::string name = (std::filesystem::temp_directory_path() / "assay_fetch_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      ADD_FAILURE() << "no temporary folder";
    folder = name;
    wish.name = "maker/set";
    wish.file = (folder / "rows.jsonl").string();
  }
  ~dataset_fetch() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  page_getter server() {
    return [this](const std::string& target) -> result<std::string> {
      asked.push_back(target);
      if (asked.size() > answers)
        return fault{errc::provider_unavailable, "the server answered 503", {}, {}};
      const auto offset = number_after(target, "offset=");
      const auto length = number_after(target, "length=");
      json page{{"num_rows_total", total}, {"rows", json::array()}};
      for (uint64_t i = offset; i < std::min(total, offset + length); ++i)
        page["rows"].push_back({{"row_idx", i}, {"row", {{"n", i}}}, {"truncated_cells", json::array()}});
      return page.dump();
    };
  }

  static uint64_t number_after(const std::string& text, const std::string& word) {
    return std::stoull(text.substr(text.find(word) + word.size()));
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::ifstream in(wish.file);
    for (std::string line; std::getline(in, line);)
      out.push_back(line);
    return out;
  }

  std::filesystem::path folder;
  dataset_wish wish;
  uint64_t total = 250;
  size_t answers = 1'000;
  std::vector<std::string> asked;
};

TEST_F(dataset_fetch, TakesAllRowsByPages) {
  const auto done = fetch_dataset(wish, server());
  ASSERT_TRUE(done.has_value()) << to_string(done.error());
  EXPECT_EQ(done->rows, 250u);
  EXPECT_FALSE(done->cut);
  EXPECT_EQ(lines().size(), 250u);
  EXPECT_EQ(lines().back(), R"({"n":249})");
  EXPECT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[1], "/rows?dataset=maker%2Fset&config=default&split=test&offset=100&length=100");
}

TEST_F(dataset_fetch, GoesOnWhereItStopped) {
  answers = 2;
  EXPECT_FALSE(fetch_dataset(wish, server()).has_value());
  EXPECT_FALSE(std::filesystem::exists(wish.file)) << "a part is no dataset";
  std::ofstream(wish.file + ".part", std::ios::app) << "{\"n\":2";
  answers = 1'000;
  asked.clear();
  const auto done = fetch_dataset(wish, server());
  ASSERT_TRUE(done.has_value()) << to_string(done.error());
  EXPECT_EQ(done->resumed, 200u);
  EXPECT_EQ(asked.size(), 1u);
  EXPECT_EQ(lines().size(), 250u);
  EXPECT_EQ(lines()[200], R"({"n":200})");
}

TEST_F(dataset_fetch, IsBounded) {
  wish.limit = 120;
  const auto done = fetch_dataset(wish, server());
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->rows, 120u);
  EXPECT_TRUE(done->cut);
}

TEST_F(dataset_fetch, RefusesWhatIsNoPage) {
  for (const char* body : {"", "[]", "{}", R"({"rows":[1]})", R"({"rows":[{"row":1}]})"}) {
    const auto done =
        fetch_dataset(wish, [&](const std::string&) -> result<std::string> { return std::string(body); });
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, errc::malformed_answer) << body;
  }
  const auto cut = fetch_dataset(wish, [](const std::string&) -> result<std::string> {
    return std::string(R"({"num_rows_total":1,"rows":[{"row":{"a":"b"},"truncated_cells":["a"]}]})");
  });
  EXPECT_THAT(cut.error().message, HasSubstr("shortens long cells"));
}

TEST_F(dataset_fetch, AnEmptySplitIsSaid) {
  total = 0;
  EXPECT_EQ(fetch_dataset(wish, server()).error().code, errc::not_found);
}

} // namespace
} // namespace assay::cli
