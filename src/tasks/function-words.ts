/** English words that hold sentences together and name nothing. */
import { words } from './words.js';

export const FUNCTION_WORDS: readonly string[] = words(`
  a an the this that these those some any each every no
  I you he she it we they me him her us them my your his its our their who whom whose which what
  of to in on at by for from with about against between into through during before after above below near past
  and or but nor so yet if when while because as than then there not back
  is are was were be been being am do does did have has had isn't wasn't hasn't can could will would shall should may might must
`);
