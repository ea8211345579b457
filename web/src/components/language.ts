import { createContext, use } from 'react';
import { messagesFor, type Messages } from '../i18n';

export const Language = createContext<Messages>(messagesFor([]));

export function useMessages(): Messages {
  return use(Language);
}
