#include "cli/output.hpp"

#include <gtest/gtest.h>

namespace assay::cli {
namespace {

constexpr terminal plain{};
constexpr terminal coloured{true, true, 80};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

/// The column in which @p word begins on @p line.
size_t column_of(const std::string& line, const std::string& word) {
  const auto at = line.find(word);
  return at == std::string::npos ? std::string::npos : display_width(line.substr(0, at));
}

TEST(display_width, CountsChineseCharactersAsTwoColumns) {
  EXPECT_EQ(display_width("算术"), 4U);
  EXPECT_EQ(display_width("a算b"), 4U);
  EXPECT_EQ(display_width("，。"), 4U);
  EXPECT_EQ(display_width("한글"), 4U);
  EXPECT_EQ(display_width("ｆｕｌｌ"), 8U);
}

TEST(display_width, CountsAccentsAndEscapeSequencesAsNothing) {
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);
  EXPECT_EQ(display_width("\x1b[1;31mred\x1b[0m"), 3U);
  EXPECT_EQ(display_width("é ± …"), 5U);
}

TEST(display_width, CountsBytesThatAreNotUtf8AsOneColumnEach) {
  EXPECT_EQ(display_width("\xFF\xC3"), 2U);
  EXPECT_EQ(display_width("\xE7\xAE"), 2U);
}

TEST(cut_to_width, NeverCutsThroughACharacter) {
  EXPECT_EQ(cut_to_width("中文名字", 5), "中文…");
  EXPECT_EQ(cut_to_width("中文名字", 6), "中文…");
  EXPECT_EQ(cut_to_width("中文名字", 8), "中文名字");
  EXPECT_EQ(cut_to_width("abcdef", 4), "abc…");
  EXPECT_EQ(cut_to_width("abc", 0), "");
}

TEST(table, LinesColumnsUpWhenCellsHoldChineseText) {
  table rows({{"task"}, {"score", align::right}, {"note"}});
  rows.add({"中文算术", "0.9", "好"});
  rows.add({"date_reasoning", "0.75", "good"});
  const auto lines = lines_of(rows.render(plain));
  ASSERT_EQ(lines.size(), 3U);
  const auto note = column_of(lines[0], "note");
  EXPECT_EQ(column_of(lines[1], "好"), note);
  EXPECT_EQ(column_of(lines[2], "good"), note);
  // Right-aligned: both numbers end in the same column.
  EXPECT_EQ(column_of(lines[1], "0.9") + 3, column_of(lines[2], "0.75") + 4);
}

TEST(table, FitsIntoTheTerminalByCuttingItsWidestTextColumn) {
  table rows({{"name"}, {"n", align::right}});
  rows.add({std::string(100, 'x'), "12345"});
  for (const auto& line : lines_of(rows.render(plain, 40)))
    EXPECT_LE(display_width(line), 40U);
  EXPECT_NE(rows.render(plain, 40).find("12345"), std::string::npos);
}

TEST(table, NeverCutsWhatOneHasToTypeAgain) {
  table rows({{"task", align::left, squeeze::whole}, {"category"}, {"prompt types"}});
  rows.add({"arithmetic_word_problems", "single_turn", "baseline, cot, few_shot"});
  const auto text = rows.render(plain, 50);
  EXPECT_NE(text.find("arithmetic_word_problems"), std::string::npos) << text;
  for (const auto& line : lines_of(text))
    EXPECT_LE(display_width(line), 50U) << text;
  EXPECT_NE(rows.render(plain, 20).find("arithmetic_word_problems"), std::string::npos)
      << "also where nothing else can give room";
}

TEST(table, LeavesOutWhatIsEmptyAndThenWhatIsSpareWhereThereIsNoRoom) {
  table rows({{"run", align::left, squeeze::whole},
              {"created", align::left, squeeze::spare},
              {"cost", align::right, squeeze::spare},
              {"error"},
              {"tasks"}});
  rows.add({"eval_1700000000_0000002a", "2026-01-01 00:00:00", "$1.00", "", "sums"});
  EXPECT_NE(rows.render(plain).find("error"), std::string::npos) << "there is room";
  const auto wide = rows.render(plain, 62);
  EXPECT_EQ(wide.find("error"), std::string::npos) << wide;
  EXPECT_NE(wide.find("2026-01-01 00:00:00"), std::string::npos) << wide;
  const auto narrow = rows.render(plain, 40);
  EXPECT_EQ(narrow.find("2026"), std::string::npos) << "the widest goes first\n" << narrow;
  EXPECT_NE(narrow.find("$1.00"), std::string::npos) << narrow;
  EXPECT_NE(narrow.find("eval_1700000000_0000002a"), std::string::npos) << narrow;
  for (const auto& line : lines_of(narrow))
    EXPECT_LE(display_width(line), 40U) << narrow;
}

TEST(table, HasNoEscapeSequencesWhereThereAreNoColours) {
  table rows({{"a"}});
  rows.add({"b"});
  rows.add_rule();
  EXPECT_EQ(rows.render(plain).find('\x1b'), std::string::npos);
  EXPECT_NE(rows.render(coloured).find('\x1b'), std::string::npos);
}

TEST(on_one_line, KeepsControlCharactersFromTheTerminal) {
  EXPECT_EQ(on_one_line("a\nb\tc"), "a\\nb c");
  EXPECT_EQ(on_one_line("\x1b[2Jx").find('\x1b'), std::string::npos);
  // C1 controls steer some terminals too.
  EXPECT_EQ(on_one_line("\xC2\x9B"
                        "2J")
                .find("\xC2\x9B"),
            std::string::npos);
  EXPECT_EQ(on_one_line("中文"), "中文");
}

TEST(as_block, IndentsEveryLineAndDropsEscapes) {
  EXPECT_EQ(as_block("a\nb", 2), "  a\n  b");
  EXPECT_EQ(as_block("\x1b]0;title\x07", 0).find('\x1b'), std::string::npos);
}

TEST(numbers, AreWrittenForPeople) {
  EXPECT_EQ(show_count(0), "0");
  EXPECT_EQ(show_count(999), "999");
  EXPECT_EQ(show_count(1000), "1,000");
  EXPECT_EQ(show_count(12'345'678), "12,345,678");
  EXPECT_EQ(show_bytes(512), "512 B");
  EXPECT_EQ(show_bytes(1536), "1.5 KiB");
  EXPECT_EQ(show_number(std::nullopt, 2), "-");
  EXPECT_EQ(show_number(0.12345, 3), "0.123");
}

TEST(render_fault, SaysWhatWhereAndWhatToDo) {
  const auto text = render_fault({errc::not_found, "no such thing", "--model", "name another"}, plain);
  EXPECT_EQ(text, "error: --model: no such thing\n       name another\n");
}

} // namespace
} // namespace assay::cli
