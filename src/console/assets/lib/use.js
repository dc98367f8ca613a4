/** Loading data in components: the newest answer only, again at an interval while the tab is seen, errors as values. */
import { useCallback, useEffect, useRef, useState } from "./html.js";

/**
 * Runs `load(signal)` when `inputs` change and every `every` milliseconds while the tab is visible.
 * While it loads again the last data stays; an error stands beside it.
 */
export function useLoad(load, inputs, every = 0) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const current = useRef(null);
  const run = useCallback(async () => {
    current.current?.abort();
    const abort = (current.current = new AbortController());
    try {
      const data = await load(abort.signal);
      if (current.current === abort) setState({ data, error: null, loading: false });
    } catch (error) {
      if (current.current === abort) setState((before) => ({ data: before.data, error, loading: false }));
    }
  }, inputs);
  useEffect(() => {
    setState((before) => ({ ...before, loading: true }));
    run();
    const again = () => document.visibilityState === "visible" && run();
    const timer = every ? setInterval(again, every) : 0;
    return () => {
      clearInterval(timer);
      current.current?.abort();
      current.current = null;
    };
  }, [run, every]);
  return { ...state, reload: run };
}

/** An action that a person starts: `[run, busy, error]`. What it answers is handed on, errors are kept to be shown. */
export function useAction(action) {
  const [state, setState] = useState({ busy: false, error: null });
  const run = async (...given) => {
    setState({ busy: true, error: null });
    try {
      const answer = await action(...given);
      setState({ busy: false, error: null });
      return answer;
    } catch (error) {
      setState({ busy: false, error });
      return undefined;
    }
  };
  return [run, state.busy, state.error];
}

/** A setting of this browser, kept over visits: `[value, set]`. */
export function useSetting(name, fallback) {
  const kept = `campanile.${name}`;
  const [value, setValue] = useState(() => localStorage.getItem(kept) ?? fallback);
  const set = (next) => {
    localStorage.setItem(kept, next);
    setValue(next);
  };
  return [value, set];
}

/** Sets the title of the tab while a page is shown. */
export function useTitle(title) {
  useEffect(() => {
    document.title = `${title} · Campanile`;
  }, [title]);
}
