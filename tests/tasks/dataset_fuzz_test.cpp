#include "tests/tasks/tasks_support.hpp"

#include <random>

namespace assay::tasks {
namespace {

class dataset_fuzz : public folder_test {
protected:
  /// Reads the bytes in every format to the end; only typed faults may stop it.
  void read_everywhere(const std::string& bytes) {
    const std::string path = write("fuzz", bytes);
    for (const auto format :
         {dataset_format::jsonl, dataset_format::json, dataset_format::csv, dataset_format::tsv}) {
      uint64_t rows = 0;
      auto reader = dataset_reader::open(path, format);
      ASSERT_TRUE(reader.has_value());
      bool broken = false;
      while (true) {
        auto row = (*reader)->next();
        broken = row.has_error();
        if (broken) {
          ASSERT_TRUE(row.error().code == errc::dataset_unreadable || row.error().code == errc::too_large);
          ASSERT_FALSE(row.error().where.empty());
        }
        if (broken || !*row)
          break;
        ASSERT_EQ((*row)->index, rows++);
        ASSERT_EQ((*row)->fields.type(), row_value::kind::object);
      }
      const auto facts = inspect_dataset(path, format);
      ASSERT_EQ(facts.has_error(), broken);
      if (!broken) {
        ASSERT_EQ(facts->rows, rows);
      }
      // Passing over the rows sees as many as reading them.
      auto skipping = dataset_reader::open(path, format).value();
      const auto skipped = skipping->skip(UINT64_MAX);
      if (!broken) {
        ASSERT_TRUE(skipped.has_value());
        ASSERT_EQ(*skipped, rows);
      }
    }
  }
};

TEST_F(dataset_fuzz, SurvivesRandomBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 150; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& c : bytes)
      c = static_cast<char>(random());
    read_everywhere(bytes);
  }
}

TEST_F(dataset_fuzz, SurvivesRandomPiecesOfTheFormats) {
  const std::vector<std::string_view> pieces{
      "{",     "}", "[",    "]",  ",",  ":", "\"",   "\\", "\n",   "\r\n",         "\t",       " ",
      "\"a\"", "1", "null", "{}", "[]", "-", "\"\"", "é",  "\xC3", "\xEF\xBB\xBF", "{\"a\":1}"};
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (size_t i = random() % 20; i > 0; --i)
      bytes += pieces[random() % pieces.size()];
    read_everywhere(bytes);
  }
}

TEST_F(dataset_fuzz, SurvivesFlippedBytesOfAGoodFile) {
  const std::string good = "{\"data\": [{\"a\": \"x\\u00e9\", \"b\": [1, 2.5e3, true]},\n {\"a\": \"y, "
                           "\\\"z\\\"\", \"b\": {\"c\": null}}]}\n";
  std::mt19937 random(3);
  for (int round = 0; round < 250; ++round) {
    std::string bytes = good;
    for (size_t i = 1 + random() % 3; i > 0; --i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0)
      bytes.resize(random() % bytes.size());
    read_everywhere(bytes);
  }
}

// Fields chosen at random, written as RFC 4180 says by a few lines that share nothing with the reader.
TEST_F(dataset_fuzz, ReadsBackWhatAnotherWriterQuoted) {
  const std::vector<std::string_view> pieces{"a", ",", "\"", "\n", "\r\n", " ", "\t", "北", "x y"};
  std::mt19937 random(4);
  for (int round = 0; round < 150; ++round) {
    std::string text = "h1,h2,h3\n";
    std::vector<std::vector<std::string>> wanted(1 + random() % 5);
    for (auto& row : wanted) {
      for (int column = 0; column < 3; ++column) {
        std::string field;
        std::string quoted = "\"";
        for (size_t i = random() % 5; i > 0; --i)
          field += pieces[random() % pieces.size()];
        for (const char c : field)
          quoted += c == '"' ? "\"\"" : std::string(1, c);
        text += (column > 0 ? "," : "") + quoted + "\"";
        row.push_back(field);
      }
      text += random() % 2 == 0 ? "\n" : "\r\n";
    }
    auto reader = dataset_reader::open(write("a.csv", text)).value();
    for (const auto& row : wanted) {
      const auto read = reader->next();
      ASSERT_TRUE(read.has_value() && *read) << text;
      for (size_t column = 0; column < 3; ++column)
        ASSERT_EQ((*read)->fields.find("h" + std::to_string(column + 1))->text(), row[column]) << text;
    }
    ASSERT_FALSE(reader->next().value());
  }
}

} // namespace
} // namespace assay::tasks
