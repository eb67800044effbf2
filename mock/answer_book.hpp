#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// What a simulated model may say to one prompt.
struct known_answer {
  std::string_view right; ///< Valid as long as the book.
  std::string_view wrong;
  double bonus = 0; ///< Added to a model's accuracy: how much this way of asking helps.
};

/// Knows the answers to prompts by the text of their last user message.
class answer_book {
public:
  virtual ~answer_book() = default;
  /// @param user_text the last user message, its text parts joined.
  virtual std::optional<known_answer> find(std::string_view user_text) const = 0;
};

/// A compact book: 32 bytes per prompt beside the answers, which are kept once in one block. Fill, seal, then
/// read from any thread.
class indexed_answer_book : public answer_book {
public:
  /// Where a pair of answers lies in the block.
  struct place {
    uint64_t offset = 0;
    uint32_t right = 0; ///< Bytes.
    uint32_t wrong = 0;
  };

  /// Stores a pair of answers, which several prompts may share.
  place store(std::string_view right, std::string_view wrong);
  /// Says that @p user_text is answered by @p answers. The first of two equal prompts counts.
  void add(std::string_view user_text, place answers, double bonus = 0);
  void add(std::string_view user_text, std::string_view right, std::string_view wrong, double bonus = 0) {
    add(user_text, store(right, wrong), bonus);
  }
  /// Ends the filling.
  void seal();

  std::optional<known_answer> find(std::string_view user_text) const override;
  size_t size() const noexcept { return entries_.size(); }

private:
  struct entry {
    uint64_t key = 0;
    place answers;
    float bonus = 0;
  };
  std::vector<entry> entries_; ///< Sorted by key once sealed.
  std::string block_;
};

} // namespace assay::mock
