#include "tests/tasks/tasks_support.hpp"

#include <sys/stat.h>

namespace assay::tasks {
namespace {

using testing::Test;
using strings = std::vector<std::string>;

class datasets : public folder_test {};

TEST_F(datasets, ReadJsonLines) {
  const auto path = write("a.jsonl", "{\"q\": \"x\", \"n\": 1.0}\n{\"q\":\"y\"}");
  EXPECT_EQ(rows_of(path), (strings{R"({"q": "x", "n": 1.0})", R"({"q": "y"})"}));
}

TEST_F(datasets, SkipBlankLinesByteOrderMarksAndCarriageReturns) {
  const auto path = write("a.jsonl", "\xEF\xBB\xBF{\"a\":1}\r\n\r\n  \t\n\n{\"a\":2}\r\n\n");
  EXPECT_EQ(rows_of(path), (strings{R"({"a": 1})", R"({"a": 2})"}));
}

TEST_F(datasets, NameTheFileAndLineOfABrokenRow) {
  const auto path = write("a.jsonl", "{\"a\":1}\n\n{\"a\":}\n");
  const auto rows = rows_of(path);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].find("dataset_unreadable " + path + ":3: the row is not valid JSON: column 6"), 0U)
      << rows[1];
}

TEST_F(datasets, RefuseRowsThatAreNoObjectsOrNoUtf8) {
  EXPECT_NE(rows_of(write("a.jsonl", "[1]\n"))[0].find(":1: expected a JSON object"), std::string::npos);
  EXPECT_NE(rows_of(write("b.jsonl", "{\"a\":1}\n{\"a\":\"\xE9\"}\n"))[1].find(":2: the row is not UTF-8"),
            std::string::npos);
  EXPECT_NE(rows_of(write("c.csv", "a\n\xE9\n"))[0].find(":2: the row is not UTF-8"), std::string::npos);
  EXPECT_NE(rows_of(write("d.jsonl", std::string_view("\xFF\xFE{\0", 4)))[0].find("UTF-16"),
            std::string::npos);
}

TEST_F(datasets, RefuseWhatIsTooLong) {
  const std::string long_text((size_t{8} << 20U) + 10, 'x');
  EXPECT_EQ(rows_of(write("a.jsonl", "{\"a\":1}\n{\"a\":\"" + long_text + "\"}\n"))[1].find("too_large"), 0U);
  EXPECT_EQ(rows_of(write("b.jsonl", "{\"a\":\"" + long_text))[0].find("too_large"), 0U);
  EXPECT_EQ(rows_of(write("c.json", "[{\"a\":\"" + long_text + "\"}]"))[0].find("too_large"), 0U);
  EXPECT_EQ(rows_of(write("d.csv", "a\n\"" + long_text + "\"\n"))[0].find("too_large"), 0U);
}

TEST_F(datasets, AcceptALineJustUnderTheLimit) {
  const std::string long_text((size_t{8} << 20U) - 20, 'x');
  EXPECT_EQ(rows_of(write("a.jsonl", "{\"a\":\"" + long_text + "\"}\n{\"a\":2}\n")).size(), 2U);
}

TEST_F(datasets, ReadAnArrayOfObjects) {
  const auto path = write("a.json", "\n[\n  {\"a\": [1, {\"b\": \"]}\\\"\"}]},\n  {\"a\": null}\n]\n");
  EXPECT_EQ(rows_of(path), (strings{R"({"a": [1, {"b": "]}\""}]})", R"({"a": null})"}));
  EXPECT_EQ(rows_of(write("b.json", "[]")), strings{});
}

TEST_F(datasets, ReadTheOneArrayOfAnObject) {
  const auto path =
      write("a.json", R"({"version": "1.1", "tags": ["x", [2]], "meta": {"n": [{}]}, "empty": [],
    "data": [{"a": 1}, {"a": 2}], "end": 3.5})");
  EXPECT_EQ(rows_of(path), (strings{R"({"a": 1})", R"({"a": 2})"}));
}

TEST_F(datasets, SayWhatIsWrongWithAJsonFile) {
  const auto problem = [&](std::string_view text) { return rows_of(write("a.json", text)).back(); };
  EXPECT_NE(problem(R"({"a": [{}], "b": [{}]})").find("more than one array"), std::string::npos);
  EXPECT_NE(problem(R"({"a": 1})").find("no array of objects"), std::string::npos);
  EXPECT_NE(problem("[{\"a\":1}\n,\n5]").find(":3: expected an object"), std::string::npos);
  EXPECT_NE(problem("[{\"a\":1} {\"a\":2}]").find("expected , or ]"), std::string::npos);
  EXPECT_NE(problem("[{\"a\":1},]").find("expected an object"), std::string::npos);
  EXPECT_NE(problem("[{\"a\":1}] x").find("more after the end"), std::string::npos);
  EXPECT_NE(problem("\n[{\"a\":1").find(":2: the element that begins here does not end"), std::string::npos);
  EXPECT_NE(problem("{\"a\":1}\n{\"a\":2}\n").find("one object a line is .jsonl"), std::string::npos);
  EXPECT_NE(problem("").find("no JSON array"), std::string::npos);
  EXPECT_NE(problem("[{\"a\" 1}]").find(":1: the row is not valid JSON"), std::string::npos);
  EXPECT_NE(problem("{\"x\": tru, \"a\": [{}]}").find("not valid JSON"), std::string::npos);
}

// Rows and fields as Python's csv module reads the same bytes.
TEST_F(datasets, ReadCsvWithQuotesAndLineEndsInside) {
  const auto path = write("a.csv", "\xEF\xBB\xBFid,text,answer\r\n1,\"Hello, "
                                   "\"\"world\"\"\",x\r\n2,\"two\nlines\r\n\n!\", y \r\n\r\n3,,\r\n");
  EXPECT_EQ(rows_of(path), (strings{R"({"id": "1", "text": "Hello, \"world\"", "answer": "x"})",
                                    R"({"id": "2", "text": "two\nlines\r\n\n!", "answer": " y "})",
                                    R"({"id": "3", "text": "", "answer": ""})"}));
}

TEST_F(datasets, ReadTabSeparatedValues) {
  const auto path = write("a.tsv", "q\ta\n5\" pipe, long\t 1,5 \nlast\trow");
  EXPECT_EQ(rows_of(path),
            (strings{R"({"q": "5\" pipe, long", "a": " 1,5 "})", R"({"q": "last", "a": "row"})"}));
}

TEST_F(datasets, KnowTheLineWhereACsvRowBegins) {
  auto reader = dataset_reader::open(write("a.csv", "a,b\n\"1\n2\n3\",x\n\n4,y\n")).value();
  EXPECT_EQ(reader->next().value()->line, 2U);
  EXPECT_EQ(reader->next().value()->line, 6U);
  EXPECT_FALSE(reader->next().value());
  EXPECT_FALSE(reader->next().value());
}

TEST_F(datasets, SayWhatIsWrongWithACsvFile) {
  const auto problem = [&](std::string_view text) { return rows_of(write("a.csv", text)).back(); };
  EXPECT_NE(problem("a,b\n1,2\n1,2,3\n").find(":3: the row has 3 fields, the header 2"), std::string::npos);
  EXPECT_NE(problem("a,b\n1\n").find(":2: the row has 1 fields"), std::string::npos);
  EXPECT_NE(problem("a,b,a\n1,2,3\n").find(":1: the header names `a` twice"), std::string::npos);
  EXPECT_NE(problem("a,b\n1,2\n\"1,2\n3\n").find(":3: a quoted field"), std::string::npos);
  EXPECT_EQ(rows_of(write("b.csv", "")), strings{});
  EXPECT_EQ(rows_of(write("c.csv", "a,b\n")), strings{});
  EXPECT_NE(problem("a,b\n1,2\r3,4\n").find(":2: the row cannot be parsed"), std::string::npos);
}

TEST_F(datasets, SkipRowsInEveryFormat) {
  for (const auto& path :
       {write("a.jsonl", "{\"a\":0}\n\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n"),
        write("a.json", R"([{"a":0},{"a":1},{"a":2},{"a":3}])"), write("a.csv", "a\n0\n1\n\n2\n3\n")}) {
    auto reader = dataset_reader::open(path).value();
    EXPECT_EQ(reader->skip(0).value(), 0U);
    EXPECT_EQ(reader->skip(2).value(), 2U) << path;
    EXPECT_EQ(reader->position(), 2U);
    const auto row = reader->next().value();
    ASSERT_TRUE(row);
    EXPECT_EQ(row->index, 2U);
    EXPECT_EQ(row->fields.find("a")->text(), "2");
    EXPECT_EQ(reader->skip(100).value(), 1U);
    EXPECT_FALSE(reader->next().value());
    EXPECT_EQ(reader->position(), 4U);
  }
}

TEST_F(datasets, AreToldApartByExtensionOrName) {
  EXPECT_EQ(dataset_format_of("x/y.JSONL"), dataset_format::jsonl);
  EXPECT_EQ(dataset_format_of("y.ndjson"), dataset_format::jsonl);
  EXPECT_EQ(dataset_format_of("a.b.tsv"), dataset_format::tsv);
  EXPECT_FALSE(dataset_format_of("y.txt"));
  EXPECT_FALSE(dataset_format_of("json"));
  const auto path = write("a.txt", "{\"a\":1}\n");
  EXPECT_TRUE(dataset_reader::open(path).has_error());
  EXPECT_TRUE(dataset_reader::open(path, dataset_format::jsonl).has_value());
}

TEST_F(datasets, ThatAreNoFilesCannotBeOpened) {
  const auto missing = dataset_reader::open((folder / "none.jsonl").string());
  ASSERT_TRUE(missing.has_error());
  EXPECT_EQ(missing.error().code, errc::dataset_unreadable);
  std::filesystem::create_directory(folder / "dir.jsonl");
  EXPECT_TRUE(dataset_reader::open((folder / "dir.jsonl").string()).has_error());
  const auto pipe = (folder / "pipe.jsonl").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(dataset_reader::open(pipe).has_error());
}

// Digests from Python's hashlib.
TEST_F(datasets, AreIdentifiedByTheHashOfTheirBytes) {
  const auto facts = inspect_dataset(write("a.jsonl", "{\"a\": 1}\n{\"a\": 2}\n")).value();
  EXPECT_EQ(facts,
            (dataset_facts{"5b8f82d3cc66533038f4fdee4b09bc34e9b051ba8de538b8289eb52a425e3a79", 2, 18}));
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_F(datasets, AreHashedAsAWholeInEveryFormat) {
  std::string lines;
  for (int i = 0; i < 30'000; ++i)
    lines += "{\"a\": " + std::to_string(i) + "}\n";
  for (const auto& [name, text] : {std::pair<std::string, std::string>{"a.jsonl", lines + "\n\n"},
                                   {"b.json", "\xEF\xBB\xBF[{\"a\": 1}]\n \n"},
                                   {"c.csv", "a\r\n1\r\n2\r\n"},
                                   {"d.csv", ""}}) {
    const auto facts = inspect_dataset(write(name, text));
    ASSERT_TRUE(facts.has_value()) << name << to_string(facts.error());
    EXPECT_EQ(facts->sha256, sha256_hex(text)) << name;
    EXPECT_EQ(facts->bytes, text.size()) << name;
  }
  EXPECT_EQ(inspect_dataset(write("a.jsonl", lines))->rows, 30'000U);
}

TEST_F(datasets, AreCheckedToTheLastRow) {
  std::string lines;
  for (int i = 0; i < 1'000; ++i)
    lines += "{\"a\": 1}\n";
  const auto facts = inspect_dataset(write("a.jsonl", lines + "{\"a\": \n"));
  ASSERT_TRUE(facts.has_error());
  EXPECT_NE(facts.error().where.find(":1001"), std::string::npos);
}

} // namespace
} // namespace assay::tasks
