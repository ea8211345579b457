import { useState, type ReactNode, type SyntheticEvent } from 'react';
import type { Credentials } from '../media/credentials';
import { useMessages } from './language';

interface Props {
  readonly onSubmit: (credentials: Credentials) => void;
}

/** Asks for a name and a password; they go into a header, never into an address. */
export function SignIn({ onSubmit }: Props): ReactNode {
  const messages = useMessages();
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    onSubmit({ kind: 'password', user, password });
  };
  return (
    <form className="signin" onSubmit={submit} aria-label={messages.signIn.title}>
      <h2>{messages.signIn.title}</h2>
      <label>
        {messages.signIn.user}
        <input
          autoComplete="username"
          required
          value={user}
          onChange={(event) => {
            setUser(event.target.value);
          }}
        />
      </label>
      <label>
        {messages.signIn.password}
        <input
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => {
            setPassword(event.target.value);
          }}
        />
      </label>
      <button type="submit" className="main start">
        {messages.signIn.submit}
      </button>
    </form>
  );
}
