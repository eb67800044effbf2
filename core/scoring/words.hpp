#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Words and n-grams, for the scorers that compare texts by what they share; nobody else includes this.
namespace assay::scoring {

/// @returns the words between white space, as Python's str.split() gives them; views into @p text.
std::vector<std::string_view> split_words(std::string_view text);

/// @returns the text as mteval-v13a.pl tokenises it, words with white space between (sacrebleu's 13a).
std::string tokenise_13a(std::string_view text);

/// @returns lower case without ASCII punctuation and without the words a, an and the: the normalisation of
/// SQuAD's evaluation script (Rajpurkar et al. 2016).
std::string squad_text(std::string_view text);

/// @returns the words of squad_text(). @param held Keeps their bytes.
std::vector<std::string_view> squad_words(std::string_view text, std::string& held);

/// @returns the runs of a-z and 0-9 of the text in lower case, with a space between (rouge_score's tokens).
std::string rouge_text(std::string_view text);

/// Gives equal texts equal numbers 0, 1, 2, ... Exact, whatever the texts.
class number_table {
public:
  number_table();
  /// @param text Must live as long as the table.
  uint32_t of(std::string_view text);
  /// @returns the number of a pair of numbers.
  uint32_t of(uint32_t first, uint32_t second);
  size_t size() const noexcept { return count_; }
  /// Forgets everything and keeps the memory, unless that has become large.
  void clear();

private:
  struct entry {
    uint64_t key = 0; ///< A text's hash, or the pair.
    std::string_view text;
    uint32_t number = 0;
    uint32_t round = 0;
  };
  uint32_t put(uint64_t key, std::string_view text);
  void grow();

  std::vector<entry> entries_;
  size_t count_ = 0;
  uint32_t round_ = 1;
};

/// What two texts share of their n-grams of one length.
struct ngram_overlap {
  uint64_t candidate = 0; ///< N-grams of the answer.
  uint64_t reference = 0; ///< Of the reference; of several, as documented at the function.
  uint64_t common = 0;    ///< Each counted as often as in both.
};

/// @param candidate, references Texts as numbers that one table gave. With several references, `common` takes
/// the highest count of any of them, and `reference` is that of the first.
/// @returns the overlaps of lengths 1 to @p orders.
std::vector<ngram_overlap> ngram_overlaps(std::span<const uint32_t> candidate,
                                          std::span<const std::vector<uint32_t>> references, uint32_t orders);

/// @returns the length of the longest common subsequence. Time: product of the lengths over 64. Sequences are
/// read up to `sequence_limit`.
size_t common_subsequence(std::span<const uint32_t> a, std::span<const uint32_t> b);

/// @returns the least number of insertions, deletions and replacements (Levenshtein 1966) between the two,
/// read up to `sequence_limit`. Time as above.
size_t edit_distance(std::span<const uint32_t> a, std::span<const uint32_t> b);

inline constexpr size_t sequence_limit = 8192;

/// What TER counts.
struct edit_rate {
  uint64_t edits = 0;
  uint64_t words = 0; ///< Of the reference.
};

/// @returns the edits, shifts of word groups included, that make @p reference of @p candidate (Snover et al.
/// 2006), with the search limits of Tercom and sacrebleu. Texts of more than 1,000 words are not searched for
/// shifts.
edit_rate translation_edits(std::span<const uint32_t> candidate, std::span<const uint32_t> reference);

} // namespace assay::scoring
